import { describe, expect, test } from 'vitest';
import { perplexity } from '../../src/evaluate/perplexity.ts';
import { readJson, tinyExpected, tinyFolder, tinyLogits } from '../support/tiny.ts';
import { playback, rowsOf } from './fakes.ts';

/** Probabilities 1/2, 1/4, 1/4 shifted by a constant, which must not matter. */
const row = [5, 5 - Math.LN2, 5 - Math.LN2];

describe('perplexity', () => {
  test('is the exponent of the mean of window means', async () => {
    // Windows [0 0 1] and [2 0 0], the tail [1] dropped: means (ln 2 + ln 4) / 2 and (ln 2 + ln 2) / 2, exp of their mean 2^1.25.
    const model = playback([row, row, row], 2);
    const figures: number[] = [];
    const result = await perplexity(model, [0, 0, 1, 2, 0, 0, 1], { context: 3, onWindow: (f) => figures.push(f.window, f.windows, f.perplexity) });
    expect(result.perplexity).toBeCloseTo(2 ** 1.25, 6);
    expect(result.windows[0]).toBeCloseTo(1.5 * Math.LN2, 6);
    expect(result.windows[1]).toBeCloseTo(Math.LN2, 6);
    expect(figures).toEqual([1, 2, expect.closeTo(2 ** 1.5, 6), 2, 2, result.perplexity]);
  });

  test('starts every window from position 0 and never runs the last token', async () => {
    const model = playback([row, row, row, row], 2);
    await perplexity(model, [0, 1, 2, 0, 2, 2, 1, 0], { windows: 2 });
    expect(model.seen).toEqual([[0, 1, 2], [2, 2, 1]]);
  });

  test('equals torch cross entropy on frozen logits, in blocks of 64 and of 7', async () => {
    const { ids, vocab } = tinyExpected('llama3');
    const { baseNll } = readJson<{ baseNll: number }>(tinyFolder('divergence.json'));
    for (const block of [64, 7]) {
      const { windows } = await perplexity(playback(rowsOf(tinyLogits('llama3'), vocab), block), ids);
      expect(windows).toHaveLength(1);
      expect(Math.abs(windows[0]! - baseNll)).toBeLessThan(1e-10);
    }
  });

  test.each([
    ['a text shorter than one window', [0, 1], {}, /2 tokens, one window needs 3/],
    ['a window beyond the context', [0, 1, 2, 0], { context: 4 }, /window is 4 tokens, must be 2 to 3/],
    ['a window of one token', [0, 1, 2], { context: 1 }, /must be 2 to 3/],
    ['no windows', [0, 1, 2], { windows: 0 }, /one window needs 3/],
    ['an id outside the vocabulary', [0, 1, 3], {}, /token 3 found, ids must be below 3/],
  ])('refuses %s', async (_, ids, options, message) => {
    await expect(perplexity(playback([row, row, row], 2), ids, options)).rejects.toMatchObject({ code: 'invalid_argument', message: expect.stringMatching(message) });
  });

  test('stops between blocks on abort', async () => {
    const controller = new AbortController();
    const model = playback([row, row, row], 1);
    const forward = model.forward;
    const counting = { ...model, forward: (tokens: ArrayLike<number>) => (controller.abort(), forward(tokens)) };
    await expect(perplexity(counting, [0, 1, 2], { signal: controller.signal })).rejects.toThrow(/abort/i);
    expect(model.seen).toEqual([[0]]);
  });
});
