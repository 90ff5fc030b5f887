import { describe, expect, it } from 'vitest';
import { KV4, KV8 } from '../../src/formats/number-format.ts';
import { benchHead, benchLine, testName, timing } from '../../src/surfaces/cli/bench-rows.ts';
import { binaryBytes, bytes, duration, modelSize, pairs, parameters } from '../../src/surfaces/cli/format.ts';
import { cacheText } from '../../src/surfaces/cli/model-facts.ts';
import { divergenceReport, finalEstimate, runningFigure, standardError } from '../../src/surfaces/cli/ppl-lines.ts';

describe('figures', () => {
  it('bytes() uses decimal units', () => {
    expect([0, 987, 1000, 1_234_567, 88e6, 999_999, 2.9e9].map(bytes)).toEqual(['0 B', '987 B', '1.0 KB', '1.2 MB', '88 MB', '1.0 MB', '2.9 GB']);
  });

  it('duration() goes from milliseconds to hours', () => {
    expect([0, 850, 12_340, 59_990, 245_000, 7_380_000].map(duration)).toEqual(['0ms', '850ms', '12.3s', '1m00s', '4m05s', '2h03m']);
  });

  it('cacheText() names width and kind', () => {
    const texts = [KV4, KV8, { bits: 8, per: 'token', rope: 'before' }, { bits: 4, per: 'static', rope: 'after', rotate: true }] as const;
    expect(texts.map(cacheText)).toEqual(['4 bits', '8 bits', '8 bits per token, keys before RoPE', '4 bits per channel, rotated']);
  });

  it('pairs() aligns values', () => expect(pairs([['a', '1'], ['long', '2']])).toBe('  a      1\n  long   2\n'));
});

describe('llama-bench rows', () => {
  it('timing() gives mean and sample standard deviation', () => {
    const { avg_ns, stddev_ns, avg_ts, samples_ts } = timing(100, [1e9, 2e9, 3e9]);
    expect([avg_ns, stddev_ns, samples_ts]).toEqual([2e9, 1e9, [100, 50, 100 / 3]]);
    expect(avg_ts).toBeCloseTo(550 / 9, 12);
    expect(timing(5, [7]).stddev_ts).toBe(0);
  });

  it('testName() names prompt, generation and depth', () => {
    const names = [[512, 0, 0], [0, 128, 0], [512, 0, 4096], [64, 16, 0]].map(([p, g, d]) => testName({ n_prompt: p!, n_gen: g!, n_depth: d! }));
    expect(names).toEqual(['pp512', 'tg128', 'pp512 @ d4096', 'pp64+tg16']);
  });

  it('benchLine() is a row of the Markdown table', () => {
    const row = { model_type: 'llama 135M', model_size: 92.36 * 2 ** 20, model_n_params: 134_515_008, backends: 'WASM', n_threads: 2, n_prompt: 512, n_gen: 0, n_depth: 0 };
    const line = benchLine({ ...row, ...timing(512, [1e9, 1e9]) });
    expect(line).toBe('| llama 135M                     |  92.36 MiB |   134.52 M | WASM             |       2 |           pp512 |        512.00 ± 0.00 |\n');
    const [head, rule] = benchHead().split('\n');
    expect([head!.length, rule!.length]).toEqual([line.length - 1, line.length - 1]);
    expect([binaryBytes(3 * 2 ** 29), parameters(1.236e9), modelSize(1.236e9), modelSize(134_515_008)]).toEqual(['1.50 GiB', '1.24 B', '1.2B', '135M']);
  });
});

describe('perplexity lines', () => {
  it('follow llama-perplexity', () => {
    expect(runningFigure(1, 6.12341) + runningFigure(2, 7)).toBe('[1]6.1234,[2]7.0000,');
    expect(finalEstimate(6.23419, 0.037889)).toBe('Final estimate: PPL = 6.2342 +/- 0.03789\n');
  });

  it('standardError() is the delta method over window means', () => {
    expect(standardError(10, [2, 3, 4])).toBeCloseTo(10 * Math.sqrt(1 / 3), 12);
    expect(standardError(10, [2])).toBe(0);
  });

  it('divergenceReport() holds every figure', () => {
    const errors = { perplexity: 0.1, basePerplexity: 0.2, ratio: 0.03, meanKl: 0.004, sameTop: 0.05, rmsChange: 0.006 };
    const figures = { perplexity: 11, ratio: 1.1, meanKl: 0.05, medianKl: 0.01, kl999: 0.5, maxKl: 2, sameTop: 0.9, rmsChange: 0.03, errors };
    const text = divergenceReport(10, figures);
    expect(text.match(/[\d.]+(?= %|$)/gm)).toEqual(['11.000000', '10.000000', '1.100000', '0.050000', '2.000000', '0.500000', '0.010000', '3.000', '90.000']);
    expect(text).not.toContain('±');
    expect(divergenceReport(10, figures, true).match(/(?<=± )[\d.]+/g)).toEqual(['0.100000', '0.200000', '0.030000', '0.004000', '0.600', '5.000']);
  });
});
