import { describe, expect, test } from 'vitest';
import { liveBase } from '../../src/evaluate/base.ts';
import { compare, compareWindow, summarise } from '../../src/evaluate/divergence.ts';
import { readJson, tinyExpected, tinyFolder, tinyLogits } from '../support/tiny.ts';
import { playback, rowsOf } from './fakes.ts';

const logs = (...p: number[]): number[] => p.map((x) => Math.log(x) + 3);
const base = [logs(1 / 2, 1 / 4, 1 / 4), logs(1 / 4, 1 / 2, 1 / 4), logs(1 / 3, 1 / 3, 1 / 3)];
const other = [logs(1 / 4, 1 / 2, 1 / 4), logs(1 / 4, 1 / 2, 1 / 4), logs(1, 1, 1)];

describe('compareWindow', () => {
  test('gives hand-computed figures for each token', async () => {
    const { baseNll, candidates: [own] } = await compareWindow(liveBase(playback(base, 1)), [playback(other, 2)], 0, Int32Array.of(0, 0, 1));
    expect([...baseNll]).toEqual([expect.closeTo(Math.log(2), 6), expect.closeTo(Math.log(2), 6)]);
    expect([...own!.nll]).toEqual([expect.closeTo(Math.log(4), 6), expect.closeTo(Math.log(2), 6)]);
    // sum p ln(p / q) = 1/2 ln 2 + 1/4 ln(1/2) = ln(2) / 4
    expect([...own!.kl]).toEqual([expect.closeTo(Math.LN2 / 4, 6), 0]);
    expect([...own!.sameTop]).toEqual([0, 1]);
    expect([...own!.change]).toEqual([expect.closeTo(-1 / 4, 6), expect.closeTo(0, 6)]);
  });

  test('refuses another vocabulary', async () => {
    const small = playback([[0, 0], [0, 0]], 1);
    await expect(compareWindow(liveBase(playback(base, 1)), [small], 0, Int32Array.of(0, 1))).rejects.toMatchObject({ code: 'invalid_argument' });
  });
});

describe('compare', () => {
  test('equals torch on frozen logits and a disturbed copy', async () => {
    const torch = readJson<Record<string, number> & { base: string; other: string }>(tinyFolder('divergence.json'));
    const { ids, vocab } = tinyExpected(torch.base);
    const logits = tinyLogits(torch.base);
    const noise = tinyLogits(torch.other);
    const disturbed = logits.map((x, i) => x + noise[i]! / 4);
    const model = (values: Float32Array, block: number) => playback(rowsOf(values, vocab), block);
    const result = await compare(model(logits, 64), [model(disturbed, 16), model(logits, 8)], ids);
    const [far, same] = result.candidates;
    expect(Math.abs(Math.log(result.basePerplexity) - torch.baseNll!)).toBeLessThan(1e-9);
    expect(Math.abs(Math.log(far!.perplexity) - torch.nll!)).toBeLessThan(1e-9);
    for (const figure of ['meanKl', 'medianKl', 'kl999', 'maxKl', 'sameTop', 'rmsChange'] as const) {
      expect(Math.abs(far![figure] - torch[figure]!), figure).toBeLessThan(1e-9);
    }
    expect(far!.ratio).toBe(far!.perplexity / result.basePerplexity);
    const { errors, ...figures } = same!;
    expect(figures).toEqual({ perplexity: result.basePerplexity, ratio: 1, meanKl: 0, medianKl: 0, kl999: 0, maxKl: 0, sameTop: 1, rmsChange: 0 });
    expect(errors).toEqual({ perplexity: errors.basePerplexity, basePerplexity: expect.any(Number), ratio: 0, meanKl: 0, sameTop: 0, rmsChange: 0 });
  });

  test('runs the base once per window and reports after each', async () => {
    const reference = playback(base, 2);
    const seen: number[] = [];
    await compare(reference, [playback(other, 2), playback(other, 2)], [0, 0, 1, 2, 1, 0], { onWindow: (figure, all) => seen.push(figure.window, all.length) });
    expect(reference.seen).toEqual([[0, 0], [2, 1]]);
    expect(seen).toEqual([1, 2, 2, 2]);
  });
});

describe('summarise', () => {
  test('gives standard errors of means over tokens, and of the ratio from paired differences', () => {
    // nll 1 2 3 4 against 1 1 3 3: differences 0 1 0 1 with a mean of 1/2 and a variance of 1/3; nll's variance is 5/3.
    const own = { nll: Float64Array.of(1, 2, 3, 4), kl: Float64Array.of(0, 2, 0, 2), sameTop: Uint8Array.of(1, 1, 1, 0), change: Float64Array.of(0.1, 0, 0.1, 0) };
    const { ratio, perplexity, errors, sameTop, rmsChange } = summarise([Float64Array.of(1, 1, 3, 3)], [own]);
    expect(ratio).toBeCloseTo(Math.exp(1 / 2), 12);
    expect(errors.ratio).toBeCloseTo(ratio * Math.sqrt(1 / 3 / 4), 12);
    expect(errors.perplexity).toBeCloseTo(perplexity * Math.sqrt(5 / 3 / 4), 12);
    expect(errors.meanKl).toBeCloseTo(Math.sqrt(4 / 3 / 4), 12);
    expect([sameTop, errors.sameTop]).toEqual([0.75, expect.closeTo(Math.sqrt((0.75 * 0.25) / 3), 12)]);
    // d sqrt(m) = dm / (2 sqrt(m)); squares 0.01 0 0.01 0
    expect(errors.rmsChange).toBeCloseTo(Math.sqrt((4 * 0.005 ** 2) / 3 / 4) / (2 * rmsChange), 12);
  });
});
