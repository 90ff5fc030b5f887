import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openLanes } from '../../src/surfaces/adapters/evaluation/threads.ts';
import { engine } from '../../src/surfaces/cli/engine.ts';
import { stripsTypes } from '../support/node.ts';
import { tinyFolder } from '../support/tiny.ts';
import { cli } from './harness.ts';

const main = fileURLToPath(new URL('../../src/surfaces/cli/main.ts', import.meta.url));
const tasks = fileURLToPath(new URL('../../examples/eval/facts.jsonl', import.meta.url));
const source = tinyFolder('llama3');
let folder: string;
const at = (name: string): string => join(folder, name);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tetrad-'));
  writeFileSync(at('text.txt'), 'Hello there, world: the end of the theme is in the hand. '.repeat(200));
});
afterAll(() => rmSync(folder, { recursive: true }));

const real = (...args: string[]): ReturnType<typeof cli> => cli(['eval', source, ...args], { engine });
const json = async (...args: string[]) => JSON.parse((await real(...args, '--json')).out);

describe.skipIf(!stripsTypes)('eval on worker threads (needs a Node that runs TypeScript)', () => {
  const everything = (): string[] => ['-f', at('text.txt'), '-c', '64', '--windows', '4', '--base', source, '--tasks', tasks, '--limit', '12'];

  it('gives the figures of one thread', async () => {
    const one = await json(...everything(), '--threads', '1');
    expect(one.text.divergence.meanKl).toBeGreaterThan(0);
    expect(await json(...everything(), '--threads', '2')).toEqual(one);
    expect(await json(...everything(), '--threads', '2', '--workers', '1')).toEqual(one);
  });

  it('writes the base file that one thread writes', async () => {
    const save = (file: string, threads: string) => real('-f', at('text.txt'), '-c', '64', '--windows', '3', '--save-base', at(file), '--threads', threads);
    expect([(await save('one', '1')).code, (await save('two', '2')).code]).toEqual([0, 0]);
    expect(readFileSync(at('one')).equals(readFileSync(at('two')))).toBe(true);
    const { text } = await json('-f', at('text.txt'), '--base-file', at('two'), '--recipe', 'f32', '--kv', '32', '--threads', '2');
    expect(text.divergence.meanKl).toBeLessThan(1e-6);
    expect(text.divergence.ratio).toBeCloseTo(1, 5);
  });

  it('a failure in a thread keeps its code and ends the run', async () => {
    await using open = openLanes({ candidates: { model: { source: at('nothing.gguf') } }, base: null, context: 8, threads: 1 }, 2);
    const job = { kind: 'window', window: 0, tokens: Int32Array.of(1, 2, 3), candidates: ['model'] } as const;
    await expect(open.lanes[1]!.run(job, new AbortController().signal)).rejects.toMatchObject({ code: 'not_found', message: expect.stringContaining('nothing.gguf') });
  });

  it('an abort ends a running job', async () => {
    await using open = openLanes({ candidates: { model: { source, recipe: 'f32' } }, base: null, context: 64, threads: 1 }, 2);
    const stop = new AbortController();
    const job = { kind: 'window', window: 0, tokens: new Int32Array(64).fill(5), candidates: ['model'] } as const;
    const running = open.lanes[0]!.run(job, stop.signal);
    stop.abort('SIGINT');
    await expect(running).rejects.toBe('SIGINT');
  });

  it('SIGINT leaves a run that goes on: the process', async () => {
    const args = ['eval', source, '-f', at('text.txt'), '-c', '32', '--threads', '2', '--resume', at('work.jsonl'), '--json'];
    const run = (interrupt: boolean): Promise<{ code: number | null; out: string; err: string }> => new Promise((resolve) => {
      const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
      let [out, err] = ['', ''];
      child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
      if (interrupt) child.stderr.once('data', () => child.kill('SIGINT'));
      child.on('close', (code) => resolve({ code, out, err }));
    });
    const first = await run(true);
    expect([first.code, first.out]).toEqual([130, '']);
    expect(first.err).toContain('the same command goes on from there');
    const kept = readFileSync(at('work.jsonl'), 'utf8').split('\n').length - 1;
    expect(kept).toBeGreaterThan(0);
    const second = await run(false);
    expect(second.code).toBe(0);
    expect(JSON.parse(second.out).text.windows.length).toBeGreaterThanOrEqual(kept);
  });
});
