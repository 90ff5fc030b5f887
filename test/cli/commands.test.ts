import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cli, emptyCalls } from './harness.ts';

describe('tetrad', () => {
  it('prints help and version on stdout', async () => {
    const help = await cli(['--help']);
    expect([help.code, help.err]).toEqual([0, '']);
    for (const name of ['run', 'chat', 'quantize', 'show', 'ppl', 'eval', 'bench', 'info']) expect(help.out).toMatch(new RegExp(`^ +${name} `, 'm'));
    expect((await cli(['--version'])).out).toBe('1.2.3\n');
    expect((await cli(['run', '--help'])).out).toContain('--max-tokens');
  });

  it.each([
    [['fly'], 'No command registered for `fly`'],
    [['run', '--tmp', '1', 'hi'], 'tmp'],
    [['run', '--temp', 'warm', 'hi'], '"warm" found, needed is a number from 0 to 100'],
    [['run', '--kv', '16', 'hi'], '4, 8 or 32'],
    [['run', '--speculate', 'on', 'hi'], '"on" found, needed is auto, off or an integer from 1 to 7'],
    [['run', 'a', 'b', 'c'], 'c'],
    [['run'], 'there is no prompt'],
    [['ppl'], 'file'],
    [['quantize', 'x.gguf'], 'output'],
    [['quantize', 'x.gguf', '-o', 'd', '--recipe', 'w1a1'], 'Cannot find recipe "w1a1"'],
    [['quantize', 'x.gguf', '-o', 'd', '--set', 'colour=red'], 'colour'],
    [['bench', '-o', 'csv'], 'csv'],
    [['bench', '-p', '0', '-n', '0'], 'nothing to measure'],
  ])('%j is a usage error: exit code 2, one line on stderr', async (args, message) => {
    const { code, out, err } = await cli(args);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(message);
    expect(err).toMatch(/^Error: [^\n]*\n$/);
  });

  it.each([['show'], ['run', 'hi'], ['bench'], ['quantize', '-o', 'd']])('%s of a missing file fails with exit code 1', async (...args) => {
    const [name, ...rest] = args;
    expect(await cli([name!, 'missing.gguf', ...rest])).toEqual({ code: 1, out: '', err: 'Error: Cannot open missing.gguf: there is no such file\n' });
  });

  it('an interruption ends with exit code 130', async () => {
    const { code, err } = await cli(['bench', '-p', '8', '-n', '0', '-r', '1', '-o', 'json'], { signal: AbortSignal.abort('SIGINT') });
    expect([code, err]).toEqual([130, 'Interrupted\n']);
  });
});

describe('tetrad run', () => {
  it('streams the text to stdout and nothing else', async () => {
    expect(await cli(['run', 'Say hello', '--temp', '0'])).toEqual({ code: 0, out: 'Hello\n', err: '' });
  });

  it('reads the prompt from a pipe', async () => expect((await cli(['run', 'model.gguf', '--temp', '0'], { input: 'Say hello\n' })).out).toBe('Hello\n'));

  it('prints text, tokens, usage and timings as JSON', async () => {
    const { out } = await cli(['run', 'Hi', '--temp', '0', '--seed', '7', '--json', '--system', 'S']);
    const { text, tokens, usage, timings, finishReason, seed } = JSON.parse(out);
    expect({ text, tokens, finishReason, seed }).toEqual({ text: 'Hello', tokens: [72, 101, 108, 108, 111], finishReason: 'stop', seed: 7 });
    const promptTokens = '<system:S<user:Hi<'.length;
    expect(usage).toEqual({ promptTokens, completionTokens: 5, totalTokens: promptTokens + 5, cachedTokens: 0 });
    expect(Object.keys(timings)).toEqual(['loadMs', 'promptMs', 'completionMs', 'promptPerSecond', 'completionPerSecond', 'draftedTokens', 'acceptedTokens']);
  });

  it('leaves the chat template away with --raw and where there is none', async () => {
    for (const args of [['run', 'Hi', '--raw'], ['run', 'base', 'Hi']]) expect(JSON.parse((await cli([...args, '--json'])).out).usage.promptTokens).toBe(2);
  });

  it('keeps to --max-tokens and --stop', async () => {
    expect((await cli(['run', 'Hi', '--temp', '0', '--max-tokens', '2'])).out).toBe('He\n');
    expect((await cli(['run', 'Hi', '--temp', '0', '--stop', 'x', '--stop', 'lo'])).out).toBe('Hel\n');
  });

  it('prints figures on stderr with --verbose', async () => {
    const { out, err } = await cli(['run', 'Hi', '--temp', '0', '--verbose']);
    expect(out).toBe('Hello\n');
    expect(err).toMatch(/prompt eval count: +9 token\(s\)[\s\S]*eval rate:/);
  });

  it('says what --speculate guessed, and gives the same text', async () => {
    const answers = ['off', 'auto', '5'].map(async (value) => JSON.parse((await cli(['run', 'Say HelloHelloHello', '--temp', '0', '--json', '--speculate', value])).out));
    const [off, auto, five] = await Promise.all(answers);
    expect([off.text, auto.text, five.text]).toEqual(['Hello', 'Hello', 'Hello']);
    expect([off.timings.draftedTokens, off.timings.acceptedTokens]).toEqual([0, 0]);
    expect(five.timings.acceptedTokens).toBeGreaterThan(0);
    expect((await cli(['run', 'Hi', '--verbose', '--speculate', '3'])).err).toMatch(/guessed tokens: +\d+ of \d+ accepted\n/);
  });

  it('refuses an empty prompt', async () => {
    for (const args of [['run', '--raw'], ['run'], ['run', '']]) {
      const { code, err } = await cli(args, { input: '' });
      expect([code, err]).toEqual([1, 'Error: Cannot generate: the prompt has no tokens, needed is one or more\n']);
    }
  });
});

describe('tetrad chat', () => {
  it('answers each line of a pipe and remembers the conversation', async () => {
    const { code, out } = await cli(['chat', '--temp', '0', '--json'], { input: 'Hi\n\n/clear\nHi\nMore\n' });
    const prompts = out.trim().split('\n').map((line) => JSON.parse(line).usage.promptTokens);
    expect(code).toBe(0);
    expect(prompts).toEqual([9, 9, 9 + 'assistant:Hello<user:More<'.length + 0]);
  });

  it('/set and flags change the answers, /bye ends', async () => {
    const { out, err } = await cli(['chat', '--temp', '0', '--max-tokens', '1'], { input: 'Hi\n/set max-tokens 3\nHi\n/bye\nHi\n' });
    expect([out, err]).toEqual(['H\nHel\n', 'max-tokens is 3\n']);
  });

  it('needs a chat template', async () => {
    const { code, err } = await cli(['chat', 'base'], { input: 'Hi\n' });
    expect(code).toBe(1);
    expect(err).toContain('Cannot chat with base: it has no chat template');
  });
});

describe('tetrad quantize, show, info', () => {
  it('quantize hands recipe, bits and place on, and tells the outcome', async () => {
    const calls = emptyCalls();
    const { code, out, err } = await cli(['quantize', 'tiny.gguf', '-o', 'out', '--recipe', 'w4a4', '--kv', '8'], { calls });
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/^Wrote out: \d+ KB, blocks W4A4 \(4\.\d\d bits a weight\), output \S+, KV4, in /);
    expect(calls).toEqual({ opened: [{ source: 'tiny.gguf', recipe: 'w4a4', kv: 8 }], saved: ['out'], jobs: [] });
  });

  it('show describes containers and checkpoints', async () => {
    const { out } = await cli(['show']);
    expect(out).toMatch(/architecture +llama\n[\s\S]*parameters +0\.\d\d M\n[\s\S]*Container[\s\S]*blocks +W4A8\n[\s\S]*memory +\d+ KB with[\s\S]*source +tiny\n/);
    expect((await cli(['show', 'x.gguf'])).out).not.toContain('Container');
    const json = JSON.parse((await cli(['show', '--json'])).out);
    expect(json.parameters).toBe(96 * 260 + 96 + 2 * (96 * 24 * 8 + 96 * 96 + 3 * 96 * 200 + 2 * 96));
    expect(json.container.formats.blocks).toBe('W4A8');
  });

  it('info tells the kernels that passed their self-test', async () => {
    expect((await cli(['info'])).out).toMatch(/relaxed-i32 +wrong result at output 3\n +simd128 +12\.3 GMAC\/s, chosen\n/);
    expect(JSON.parse((await cli(['info', '--json'])).out).kernels.chosen).toBe('simd128');
  });
});

describe('tetrad bench', () => {
  const args = ['bench', '-p', '2', '-n', '1', '-d', '0,1', '-r', '2'];

  it('prints a table of llama-bench', async () => {
    const { out } = await cli(args);
    expect(out.split('\n').slice(2, -1).map((line) => line.split('|')[6]!.trim())).toEqual(['pp2', 'tg1', 'pp2 @ d1', 'tg1 @ d1']);
  });

  it('prints the rows as JSON', async () => {
    const rows = JSON.parse((await cli([...args, '-o', 'json'])).out);
    expect(rows).toHaveLength(4);
    expect(rows[1]).toMatchObject({ n_prompt: 0, n_gen: 1, n_depth: 0, n_threads: 1, type_k: 'u4', backends: 'reference scalar', model_type: 'llama 0.2M W4A8' });
    expect(rows[1].samples_ns).toHaveLength(2);
    expect(rows[1].avg_ts).toBeCloseTo(rows[1].samples_ns.reduce((sum: number, ns: number) => sum + 1e9 / ns, 0) / 2, 6);
  });
});

describe('--threads', () => {
  it('where memory cannot be shared gives the rows of one thread, and says so once for each count', async () => {
    const { code, out, err } = await cli(['bench', '-p', '2', '-n', '0', '-t', '1,2,4,2', '-r', '1', '-o', 'json']);
    expect(JSON.parse(out).map((row: { n_threads: number }) => row.n_threads)).toEqual([1, 1, 1, 1]);
    expect(err).toBe([2, 4].map((threads) => `Note: Running on 1 thread instead of ${threads}: memory cannot be shared here\n`).join(''));
    expect(code).toBe(0);
  });

  it.each(['0', '-1', '1.5', '65', 'many'])('refuses %j', async (threads) => {
    for (const args of [['run', 'hi', `--threads=${threads}`], ['bench', `-t=${threads}`]]) expect((await cli(args)).code, args[0]).toBe(2);
  });

  it('leaves the answer of run as it is', async () => {
    const args = ['run', 'hi', '--temp', '0', '--max-tokens', '3', '--json'];
    const [one, two] = [await cli(args), await cli([...args, '--threads', '2'])];
    expect(JSON.parse(two.out).tokens).toEqual(JSON.parse(one.out).tokens);
    expect(two.err).toContain('1 thread');
  });
});

describe('tetrad ppl', () => {
  let folder: string;
  const file = (): string => join(folder, 'text.txt');
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tetrad-'));
    writeFileSync(file(), 'The quick brown fox jumps over the lazy dog. '.repeat(2));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('prints a running figure on stderr and the estimate on stdout', async () => {
    const { out, err } = await cli(['ppl', '-f', file(), '-c', '8', '--windows', '3', '--recipe', 'f32']);
    expect(out).toMatch(/^Final estimate: PPL = \d+\.\d{4} \+\/- \d+\.\d{5}\n$/);
    expect(err).toMatch(/^\[1\][\d.]+,\[2\][\d.]+,\[3\][\d.]+,\n$/);
    expect(err).toContain(`[3]${/PPL = ([\d.]+)/.exec(out)![1]},`);
  });

  it('compares with a base model', async () => {
    const { out } = await cli(['ppl', '-f', file(), '-c', '8', '--windows', '2', '--base', 'tiny.gguf', '--json']);
    const figures = JSON.parse(out);
    expect(figures.meanKl).toBeGreaterThan(0);
    expect(figures.ratio).toBeCloseTo(figures.perplexity / figures.basePerplexity, 10);
    expect((await cli(['ppl', '-f', file(), '-c', '8', '--windows', '1', '--base', 'x.gguf'])).out).toContain('99.9%   KLD:');
  });

  it.each([[['-f', 'nowhere.txt'], 'Cannot read nowhere.txt'], [['-c', '4096'], 'one window needs']])('fails on %j', async (args, message) => {
    const { code, err } = await cli(['ppl', ...(args[0] === '-f' ? [] : ['-f', file()]), ...args]);
    expect(code).toBe(1);
    expect(err).toContain(message);
  });
});
