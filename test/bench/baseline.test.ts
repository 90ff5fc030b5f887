import { describe, expect, it } from 'vitest';
import { band, baselineOf, compare, report } from '../../bench/baseline.ts';
import type { Machine, Result } from '../../bench/result.ts';
import type { KernelFigure } from '../../bench/roofline.ts';

const machine: Machine = { cpu: 'X', cores: 2, os: 'linux x64', node: '24', date: '2026-01-01' };
const limits = { stream: [10, 20] as const, dot: { simd128: 40, 'relaxed-i16': 80, 'relaxed-i32': 80, f32: 20 } };

/** Rows at given shares of the roofline: 40e6 multiply-accumulates that the limit does in 1 ms. */
const result = (rows: Readonly<Record<string, readonly number[]>>): Result<KernelFigure> => ({
  bench: 'kernels', machine, limits,
  rows: Object.entries(rows).map(([site, shares]) => ({
    op: 'gemm', label: 'W4A8', site, tokens: 64, path: 'simd128', macs: 40e6, bytes: 1, ms: shares.map((share) => 1 / share),
  })),
});

describe('band()', () => {
  it('is three standard deviations of both samples', () => {
    expect(band({ share: 0.5, sigma: 0.03, samples: 5 }, { share: 0.5, sigma: 0.04, samples: 5 })).toBeCloseTo(0.3, 12);
  });

  it('is 5 % at least', () => expect(band({ share: 0.5, sigma: 0, samples: 5 }, { share: 0.4, sigma: 0.001, samples: 5 })).toBe(0.05));
});

describe('compare()', () => {
  const baseline = baselineOf([result({ quiet: [0.5, 0.5, 0.5], noisy: [0.4, 0.5, 0.6], gone: [0.5] })]);

  it('keeps medians of shares and their robust deviation', () => {
    expect(baseline.rows['kernels | gemm | W4A8 | noisy | 64 | simd128']).toEqual({ share: 0.5, sigma: 0.14826, samples: 3 });
  });

  it('calls a change what exceeds the noise of both', () => {
    const verdicts = compare(baseline, [result({ quiet: [0.44, 0.44], noisy: [0.44, 0.44], other: [0.1] })]);
    expect(verdicts.map(({ key, verdict }) => [key.split(' | ')[3], verdict])).toEqual([['quiet', 'worse'], ['noisy', 'same']]);
    expect(compare(baseline, [result({ quiet: [0.6] })])[0]!.verdict).toBe('better');
  });

  it('pools the samples of several results', () => {
    const [verdict] = compare(baseline, [result({ quiet: [0.3] }), result({ quiet: [0.5, 0.5] })]);
    expect(verdict).toMatchObject({ now: 0.5, verdict: 'same' });
  });

  it('report() lists what changed', () => {
    const text = report(compare(baseline, [result({ quiet: [0.44], noisy: [0.5] })]));
    expect(text).toContain('2 rows compared: 1 worse, 0 better, 1 within their noise');
    expect(text).toContain('| kernels, gemm, W4A8, quiet, 64, simd128 | worse | 50 % | 44 % | -12.0 % | 5.0 % |');
    expect(text).not.toContain('noisy');
  });
});
