import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engine } from '../../src/surfaces/cli/engine.ts';
import { tinyFolder } from '../support/tiny.ts';
import { cli } from './harness.ts';

const main = fileURLToPath(new URL('../../src/surfaces/cli/main.ts', import.meta.url));

import { stripsTypes } from '../support/node.ts';

const source = tinyFolder('llama3');
let folder: string;
let container: string;

const real = (...args: string[]): ReturnType<typeof cli> => cli(args, { engine });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tetrad-'));
  container = join(folder, 'packed');
  const { code, err } = await real('quantize', source, '-o', container, '--recipe', 'w4a8', '--kv', '8');
  if (code !== 0) throw new Error(err);
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('commands on the library itself', () => {
  it('show reads back what quantize wrote', async () => {
    const { container: packed } = JSON.parse((await real('show', container, '--json')).out);
    expect(packed).toMatchObject({ kv: { bits: 8 }, formats: { blocks: 'W4A8' } });
    expect((await real('show', container)).out).toMatch(/KV cache +8 bits/);
  });

  it('run continues a text the same way from the container and from the checkpoint', async () => {
    const args = ['Hello', '--raw', '--temp', '0', '--max-tokens', '6', '--json'];
    const packed = JSON.parse((await real('run', container, ...args)).out);
    expect(packed.tokens).toHaveLength(6);
    expect(JSON.parse((await real('run', source, ...args, '--kv', '8')).out).tokens).toEqual(packed.tokens);
  });

  it('quantize takes a recipe from a file, and fields from --set', async () => {
    const file = join(folder, 'recipe.json');
    const { recipe } = JSON.parse((await real('show', container, '--json')).out).provenance;
    writeFileSync(file, JSON.stringify({ ...recipe, name: 'mine', kv: { bits: 4, keyGroup: 32, valueGroup: 32, firstPage: 8 } }));
    const { out } = await real('quantize', source, '-o', join(folder, 'mine'), '--recipe', file, '--set', 'act.bits=4', '--set', 'kv.keyGroup=64', '--json');
    expect(JSON.parse(out)).toMatchObject({ kv: 4, formats: { blocks: 'W4A4' } });
    const { container: packed } = JSON.parse((await real('show', join(folder, 'mine'), '--json')).out);
    expect(packed.kv).toEqual({ bits: 4, keyGroup: 64, valueGroup: 32, firstPage: 8 });
  });

  it.each([
    ['no recipe file', ['--recipe', './none.json'], 2, 'Cannot read the recipe ./none.json'],
    ['a recipe file that is no recipe', ['--recipe', join(source, 'config.json')], 2, 'Cannot use recipe'],
    ['a field that does not exist', ['--set', 'colour=red'], 2, 'colour'],
  ])('quantize refuses %s and leaves nothing behind', async (_, args, code, message) => {
    const before = readdirSync(folder);
    const outcome = await real('quantize', source, '-o', join(folder, 'refused'), ...args);
    expect(outcome.code).toBe(code);
    expect(outcome.err).toContain(message);
    expect(readdirSync(folder)).toEqual(before);
  });

  it('quantize refuses a place that holds something else before it works', async () => {
    const { code, err } = await real('quantize', source, '-o', folder);
    expect([code, existsSync(join(folder, 'model.json'))]).toEqual([1, false]);
    expect(err).toContain(`Cannot write ${folder}`);
  });

  it('an interrupted quantize leaves nothing behind', async () => {
    const before = readdirSync(folder);
    const outcome = await cli(['quantize', source, '-o', join(folder, 'stopped')], { engine, signal: AbortSignal.abort('SIGINT') });
    expect([outcome.code, outcome.err]).toEqual([130, 'Interrupted\n']);
    expect(readdirSync(folder)).toEqual(before);
  });

  it('ppl of a container against its checkpoint', async () => {
    const file = join(folder, 'text.txt');
    writeFileSync(file, 'Hello there, world. '.repeat(40));
    const figures = JSON.parse((await real('ppl', container, '-f', file, '-c', '32', '--windows', '2', '--base', source, '--json')).out);
    expect(figures.meanKl).toBeGreaterThan(0);
    expect(figures.meanKl).toBeLessThan(1);
    const f32 = JSON.parse((await real('ppl', source, '-f', file, '-c', '32', '--windows', '2', '--recipe', 'f32', '--kv', '32', '--json')).out);
    expect(f32.perplexity).toBe(figures.basePerplexity);
  });

  it('a prompt longer than the context fails', async () => {
    const { code, err } = await real('run', container, 'word '.repeat(200), '--raw', '--context', '16');
    expect(code).toBe(1);
    expect(err).toMatch(/^Error: Cannot generate: the prompt has \d+ tokens, the context takes 16\n$/);
  });
});

describe.skipIf(!stripsTypes)('the process (needs a Node that runs TypeScript)', () => {
  const start = (...args: string[]) => spawn(process.execPath, [main, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  const ended = (child: ReturnType<typeof start>): Promise<number | null> => new Promise((resolve) => child.on('close', (code) => resolve(code)));

  it('prints its version and exits with 0, and with 2 on a wrong command', async () => {
    const child = start('--version');
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    expect(await ended(child)).toBe(0);
    expect(text.trim()).toBe(JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version);
    expect(await ended(start('fly'))).toBe(2);
  });

  it.each([['SIGINT', 130], ['SIGTERM', 143]] as const)('%s ends a running command with exit code %i', async (signal, code) => {
    const child = start('ppl', container, '-f', fileURLToPath(import.meta.url), '-c', '64');
    child.stderr.once('data', () => child.kill(signal));
    expect(await ended(child)).toBe(code);
  });

  it('a reader that closes the pipe is no error', async () => {
    const child = start('run', container, 'Hello', '--raw', '--max-tokens', '60', '--temp', '1');
    child.stdout.once('data', () => child.stdout.destroy());
    let errors = '';
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    expect([await ended(child), errors]).toEqual([0, '']);
  });
});
