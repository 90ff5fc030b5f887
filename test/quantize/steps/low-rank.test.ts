import { describe, expect, it } from 'vitest';
import { f16ToF32, f32ToF16 } from '../../../src/core/numeric.ts';
import { lowRank, type LowRank } from '../../../src/quantize/steps/low-rank.ts';
import { roundRows, valuesOf } from '../../../src/quantize/rounding/round.ts';
import { roundJob, weights } from '../../support/rounding.ts';

const [ROWS, COLS] = [48, 64];
const FORMAT = { bits: 4, block: 32, scale: 'f16', zero: 'mid' } as const;
const segments = [{ from: 0, to: COLS, weight: FORMAT }];

/** Weights with a few strong directions. */
function structured(): Float32Array {
  const values = weights(ROWS, COLS, 51);
  const [left, right] = [weights(ROWS, 8, 52), weights(8, COLS, 53)];
  for (let r = 0; r < ROWS; r++) for (let j = 0; j < 8; j++) for (let c = 0; c < COLS; c++) values[r * COLS + c]! += 20 * left[r * 8 + j]! * right[j * COLS + c]!;
  return values;
}

function errorWith(values: Float32Array, { up, down, rank }: LowRank): number {
  const rest = values.map((x, at) => {
    const [r, c] = [Math.floor(at / COLS), at % COLS];
    let sum = 0;
    for (let k = 0; k < rank; k++) sum += up[r * rank + k]! * down[k * COLS + c]!;
    return x - sum;
  });
  const job = roundJob(rest, COLS, FORMAT);
  return valuesOf(roundRows(job), segments, ROWS, COLS).reduce((sum, x, i) => sum + (x - rest[i]!) ** 2, 0);
}

const none: LowRank = { rank: 16, up: new Float32Array(ROWS * 16), down: new Float32Array(16 * COLS) };

describe('lowRank()', () => {
  it('takes most of the rounding error off weights with strong directions, and more with more rounds', () => {
    const values = structured();
    const [one, many] = [1, 30].map((iterations) => errorWith(values, lowRank(values, ROWS, COLS, { rank: 16, iterations }, segments)));
    expect(one).toBeLessThan(0.3 * errorWith(values, none));
    expect(many).toBeLessThan(0.97 * one!);
  });

  it('stores f16 and gives the same every time', () => {
    const values = structured();
    const [a, b] = [lowRank(values, ROWS, COLS, { rank: 16, iterations: 3 }, segments), lowRank(values, ROWS, COLS, { rank: 16, iterations: 3 }, segments)];
    expect(a).toEqual(b);
    expect([...a.up, ...a.down].every((x) => x === f16ToF32(f32ToF16(x)))).toBe(true);
    expect([a.up.length, a.down.length]).toEqual([ROWS * 16, 16 * COLS]);
  });

  it('fills ranks that there are not with zeros', () => {
    const values = weights(8, COLS, 54);
    const low = lowRank(values, 8, COLS, { rank: 16, iterations: 2 }, segments);
    expect([low.up.length, low.down.length]).toEqual([8 * 16, 16 * COLS]);
    values.forEach((x, at) => {
      let sum = 0;
      for (let k = 0; k < 16; k++) sum += low.up[Math.floor(at / COLS) * 16 + k]! * low.down[k * COLS + (at % COLS)]!;
      expect(Math.abs(sum - x)).toBeLessThan(0.002);
    });
  });

  it('takes zeros', () => {
    const low = lowRank(new Float32Array(ROWS * COLS), ROWS, COLS, { rank: 16, iterations: 5 }, segments);
    expect(low.down.every((x) => x === 0)).toBe(true);
    expect(low.up.every(Number.isFinite)).toBe(true);
  });
});
