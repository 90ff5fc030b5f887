import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Lane } from '../../src/evaluate/jobs.ts';
import type { Engine } from '../../src/surfaces/cli/engine.ts';
import { cli, emptyCalls, tinyEngine } from './harness.ts';

const tasks = fileURLToPath(new URL('../../examples/eval/facts.jsonl', import.meta.url));
let folder: string;
const at = (name: string): string => join(folder, name);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tetrad-'));
  writeFileSync(at('text.txt'), 'The quick brown fox jumps over the lazy dog. '.repeat(2));
});
afterAll(() => rmSync(folder, { recursive: true }));

const json = async (...args: string[]) => JSON.parse((await cli(['eval', ...args, '--json'])).out);
const text = (): string[] => ['-f', at('text.txt'), '-c', '8'];

describe('tetrad eval', () => {
  it.each([
    [[], 'nothing to evaluate'],
    [['-f', 'x', '--base', 'a', '--base-file', 'b'], 'exclude each other'],
    [['--tasks', 'x', '--base', 'a'], 'need --text'],
    [['--tasks', 'x', '--windows', '2'], 'need --text'],
    [['-f', 'x', '--save-base', 'a', '--tasks', 'b'], '--save-base excludes'],
    [['-f', 'x', '--base-top', '3'], '--base-top needs'],
    [['-f', 'x', '--layers'], '--layers needs'],
    [['-f', 'x', '--base', 'a', '--layers', '--windows', '1'], '--layers excludes'],
    [['-f', 'x', '--svg', 'a'], '--svg needs'],
    [['-f', 'x', '--limit', '3'], '--limit needs'],
    [['--tasks', 'a,,b'], '"a,,b" found'],
  ])('%j is a usage error', async (args, message) => {
    const { code, out, err } = await cli(['eval', ...args]);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(/^Error: [^\n]*\n$/);
    expect(err).toContain(message);
  });

  it.each([
    [['-f', 'nowhere.txt'], 'Cannot read nowhere.txt'],
    [['--tasks', 'nowhere.jsonl'], 'Cannot read nowhere.jsonl'],
    [['missing.gguf', '-f', 'nowhere.txt'], 'Cannot open missing.gguf'],
  ])('%j fails with exit code 1', async (args, message) => {
    const { code, err } = await cli(['eval', ...args]);
    expect([code, err]).toEqual([1, expect.stringContaining(message)]);
  });
});

describe('tetrad eval --text', () => {
  it('gives the perplexity of ppl', async () => {
    const own = await json(...text(), '--windows', '3');
    const ppl = JSON.parse((await cli(['ppl', ...text(), '--windows', '3', '--json'])).out);
    expect(own.text).toMatchObject({ perplexity: ppl.perplexity, error: ppl.error, context: 8 });
    expect(own.text.windows).toHaveLength(3);
    const { out, err } = await cli(['eval', ...text(), '--windows', '3']);
    expect(out).toBe((await cli(['ppl', ...text(), '--windows', '3'])).out);
    expect(err).toMatch(/^\[1\][\d.]+,\[2\][\d.]+,\[3\][\d.]+,\n$/);
  });

  it('compares with a base that runs, and with one that was stored', async () => {
    const live = (await json(...text(), '--windows', '3', '--base', 'tiny.gguf')).text;
    const ppl = JSON.parse((await cli(['ppl', ...text(), '--windows', '3', '--base', 'tiny.gguf', '--json'])).out);
    expect(live.divergence).toEqual(Object.fromEntries(Object.keys(live.divergence).map((key) => [key, ppl[key]])));
    const stored = await cli(['eval', 'tiny.gguf', ...text(), '--windows', '3', '--save-base', at('base')]);
    expect([stored.code, stored.out]).toEqual([0, expect.stringMatching(/^Wrote .*base: \d+ KB, 3 windows of 8 tokens, PPL = /)]);
    expect(existsSync(at('base.partial'))).toBe(false);
    const against = (await json('-f', at('text.txt'), '--base-file', at('base'))).text;
    expect(against.windows).toHaveLength(3);
    expect(against.perplexity).toBe(live.perplexity);
    expect(against.basePerplexity).toBeCloseTo(live.basePerplexity, 4);
    expect(Math.abs(against.divergence.meanKl / live.divergence.meanKl - 1)).toBeLessThan(1e-3);
    expect(against.divergence.sameTop).toBe(live.divergence.sameTop);
    const { out, err } = await cli(['eval', '-f', at('text.txt'), '--base-file', at('base'), '--verbose']);
    expect(out).toMatch(/Mean PPL\(Q\)\/PPL\(base\) +: +[\d.]+ ± [\d.]+\n/);
    expect(err).toMatch(/^window 1: PPL [\d.]+, base [\d.]+, KL [\d.]+, same top [\d.]+ %\nwindow 2/);
  });

  it('keeps the likeliest tokens of a base with --base-top', async () => {
    await cli(['eval', 'tiny.gguf', ...text(), '--windows', '2', '--save-base', at('all')]);
    await cli(['eval', 'tiny.gguf', ...text(), '--windows', '2', '--save-base', at('top'), '--base-top', '20']);
    expect(readFileSync(at('top')).length).toBeLessThan(readFileSync(at('all')).length / 2);
    const [all, top] = [await json('-f', at('text.txt'), '--base-file', at('all')), await json('-f', at('text.txt'), '--base-file', at('top'))];
    expect(top.text.basePerplexity).toBeCloseTo(all.text.basePerplexity, 6);
    expect(top.text.divergence.meanKl).toBeLessThanOrEqual(all.text.divergence.meanKl);
  });

  it('refuses to write a base where there is no folder, and to read one that is cut off', async () => {
    const { code, err } = await cli(['eval', ...text(), '--save-base', at('none/base')]);
    expect([code, err]).toEqual([1, expect.stringContaining('base.partial: the system says ENOENT')]);
    writeFileSync(at('short'), readFileSync(at('base')).subarray(0, -1));
    expect((await cli(['eval', ...text(), '--base-file', at('short')])).err).toMatch(/Cannot use .*short as a base: it has \d+ bytes, needed are \d+/);
  });

  it.each([
    ['another text', ['-f', 'other.txt'], /token ids are not those that .*other.txt begins with/],
    ['another context', ['-f', 'text.txt', '-c', '16'], /windows have 8 tokens, asked for are 16/],
    ['more windows', ['-f', 'text.txt', '--windows', '4'], /has 3 windows, asked for are 4/],
  ])('refuses a stored base of %s', async (_, [flag, file, ...rest], message) => {
    writeFileSync(at('other.txt'), 'A quick brown fox jumps over the lazy dog. '.repeat(2));
    const { code, err } = await cli(['eval', flag!, at(file!), ...rest, '--base-file', at('base')]);
    expect([code, err]).toEqual([1, expect.stringMatching(message)]);
  });
});

describe('tetrad eval --tasks', () => {
  it('prints accuracies as a table and as JSON', async () => {
    const [figures] = (await json('--tasks', tasks, '--limit', '5')).tasks;
    expect(figures).toMatchObject({ task: 'facts', items: 5 });
    expect(Number.isInteger(figures.acc * 5)).toBe(true);
    const { out } = await cli(['eval', '--tasks', tasks, '--limit', '5']);
    expect(out.split('\n').at(-2)).toMatch(new RegExp(`^\\| facts +\\| +5 \\| +${figures.acc.toFixed(4)} ± [\\d.]+ \\| +${figures.accNorm.toFixed(4)} ± [\\d.]+ \\|$`));
  });

  it('refuses two files of one name', async () => {
    expect((await cli(['eval', '--tasks', `${tasks},${tasks}`])).err).toContain('two task files are named facts');
  });
});

describe('tetrad eval --layers', () => {
  it('prints what each part loses, and draws it', async () => {
    const { out } = await cli(['eval', 'x.gguf', ...text(), '--base', 'tiny.gguf', '--layers', '--svg', at('layers.svg')]);
    expect(out).toMatch(/\| +mean \| mlp\.down +\| +[\d.]+ % \| +[\d.]+ % \|\n/);
    expect(out).toMatch(/Hidden state after the last layer, accumulated: [\d.]+ %\n$/);
    expect(readFileSync(at('layers.svg'), 'utf8')).toMatch(/^<svg [\s\S]*What each part of x\.gguf loses/);
    const { layers } = await json('x.gguf', ...text(), '--base', 'tiny.gguf', '--layers');
    expect([layers.parts.length, layers.hidden.length, layers.tokens]).toEqual([11, 2, 8]);
  });
});

/** An engine whose user interrupts when so many jobs have run. */
function stoppingAfter(jobs: number): { readonly engine: Engine; readonly signal: AbortSignal } {
  const stop = new AbortController();
  const engine = tinyEngine(emptyCalls());
  let left = jobs;
  const stopping = (lane: Lane): Lane => ({
    run(job, signal) {
      if (left-- > 0) return lane.run(job, signal);
      stop.abort('SIGINT');
      return Promise.reject(signal.reason as Error);
    },
  });
  const lanes: Engine['lanes'] = async (setup, options) => {
    const open = await engine.lanes(setup, options);
    return { lanes: open.lanes.map(stopping), [Symbol.asyncDispose]: () => open[Symbol.asyncDispose]() };
  };
  return { engine: { ...engine, lanes }, signal: stop.signal };
}

describe('an interrupted eval', () => {
  it('goes on where it was, and gives the same figures', async () => {
    const work = ['-f', at('text.txt'), '-c', '32', '--base', 'tiny.gguf', '--tasks', tasks, '--limit', '9'];
    const args = ['eval', ...work, '--json', '--resume', at('work.jsonl')];
    const whole = await json(...work);
    const { engine: stopping, signal } = stoppingAfter(1);
    const first = await cli(args, { engine: stopping, signal });
    expect([first.code, first.out]).toEqual([130, '']);
    expect(first.err).toMatch(/Finished work is kept in .*work\.jsonl: the same command goes on from there\nInterrupted\n$/);
    const calls = emptyCalls();
    const second = await cli(args, { calls });
    expect(JSON.parse(second.out)).toEqual(whole);
    expect(calls.jobs).toEqual([1, 2]); // one window of two, and two lots of questions
    const third = emptyCalls();
    expect((await cli(args, { calls: third })).out).toBe(second.out);
    expect([third.jobs, third.opened]).toEqual([[], []]);
  });

  it('of --save-base goes on where it was, and writes the same file', async () => {
    const args = (file: string): string[] => ['eval', 'tiny.gguf', ...text(), '--windows', '4', '--save-base', at(file)];
    await cli(args('whole'));
    const { engine: stopping, signal } = stoppingAfter(2);
    expect((await cli(args('parts'), { engine: stopping, signal })).code).toBe(130);
    expect([existsSync(at('parts')), existsSync(at('parts.partial'))]).toEqual([false, true]);
    const calls = emptyCalls();
    expect((await cli(args('parts'), { calls })).code).toBe(0);
    expect([calls.jobs, existsSync(at('parts.partial'))]).toEqual([[2], false]);
    expect(readFileSync(at('parts')).equals(readFileSync(at('whole')))).toBe(true);
  });
});
