import { describe, expect, test } from 'vitest';
import { compare, compareWindow } from '../../src/evaluate/divergence.ts';
import { readJson, tinyExpected, tinyFolder, tinyLogits } from '../support/tiny.ts';
import { playback, rowsOf } from './fakes.ts';

const logs = (...p: number[]): number[] => p.map((x) => Math.log(x) + 3);
const base = [logs(1 / 2, 1 / 4, 1 / 4), logs(1 / 4, 1 / 2, 1 / 4), logs(1 / 3, 1 / 3, 1 / 3)];
const other = [logs(1 / 4, 1 / 2, 1 / 4), logs(1 / 4, 1 / 2, 1 / 4), logs(1, 1, 1)];

describe('compareWindow', () => {
  test('gives hand-computed figures for each token', async () => {
    const { baseNll, candidates: [own] } = await compareWindow(playback(base, 1), [playback(other, 2)], Int32Array.of(0, 0, 1));
    expect([...baseNll]).toEqual([expect.closeTo(Math.log(2), 6), expect.closeTo(Math.log(2), 6)]);
    expect([...own!.nll]).toEqual([expect.closeTo(Math.log(4), 6), expect.closeTo(Math.log(2), 6)]);
    // sum p ln(p / q) = 1/2 ln 2 + 1/4 ln(1/2) = ln(2) / 4
    expect([...own!.kl]).toEqual([expect.closeTo(Math.LN2 / 4, 6), 0]);
    expect([...own!.sameTop]).toEqual([0, 1]);
    expect([...own!.change]).toEqual([expect.closeTo(-1 / 4, 6), expect.closeTo(0, 6)]);
  });

  test('refuses another vocabulary', async () => {
    const small = playback([[0, 0], [0, 0]], 1);
    await expect(compareWindow(playback(base, 1), [small], Int32Array.of(0, 1))).rejects.toMatchObject({ code: 'invalid_argument' });
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
    expect(same).toEqual({ perplexity: result.basePerplexity, ratio: 1, meanKl: 0, medianKl: 0, kl999: 0, maxKl: 0, sameTop: 1, rmsChange: 0 });
  });

  test('runs the base once per window and reports after each', async () => {
    const reference = playback(base, 2);
    const seen: number[] = [];
    await compare(reference, [playback(other, 2), playback(other, 2)], [0, 0, 1, 2, 1, 0], { onWindow: (figure, all) => seen.push(figure.window, all.length) });
    expect(reference.seen).toEqual([[0, 0], [2, 1]]);
    expect(seen).toEqual([1, 2, 2, 2]);
  });
});
