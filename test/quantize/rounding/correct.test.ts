import { describe, expect, it } from 'vitest';
import { corrected } from '../../../src/quantize/rounding/correct.ts';
import { prepareHessian } from '../../../src/quantize/rounding/hessian.ts';
import { joinRounded, roundRows, valuesOf, type RoundJob } from '../../../src/quantize/rounding/round.ts';
import { inverse } from '../../support/inverse.ts';
import { COMPENSATED, roundJob, secondMoment, weights } from '../../support/rounding.ts';
import { gaussian } from '../../support/tiny-model.ts';

const ROUNDING = { ...COMPENSATED, inputs: 'quantised', correction: 0.25 } as const;
const U4 = { bits: 4, block: 32, scale: 'u8', zero: 'min' } as const;

/** A drift of about a tenth of the inputs. */
const driftOf = (hessian: Float32Array, seed: number): Float32Array => {
  const next = gaussian(seed);
  return hessian.map((x) => 0.1 * x * next());
};

/** W + share W D H^-1, channels as they lie, by the inverse of the damped Hessian in full. */
function naive(values: Float32Array, rows: number, cols: number, hessian: Float32Array, drift: Float32Array, share: number, damping: number): Float64Array {
  const matrix = Float64Array.from(hessian);
  const mean = Array.from({ length: cols }, (_, j) => matrix[j * cols + j]!).reduce((a, b) => a + b) / cols;
  for (let j = 0; j < cols; j++) matrix[j * cols + j]! += damping * mean;
  const times = (a: ArrayLike<number>, b: ArrayLike<number>): Float64Array => Float64Array.from({ length: rows * cols }, (_, at) => {
    const [row, j] = [Math.floor(at / cols), at % cols];
    let sum = 0;
    for (let k = 0; k < cols; k++) sum += a[row * cols + k]! * b[k * cols + j]!;
    return sum;
  });
  return times(times(values, drift), inverse(matrix, cols)).map((change, at) => values[at]! + share * change);
}

describe('corrected()', () => {
  it.each([[1, 1], [16, 5], [33, 16], [77, 40], [130, 17]] as const)('moves weights by the share of W D H^-1: %d channels, %d rows', (cols, rows) => {
    const [values, hessian] = [weights(rows, cols, cols), secondMoment(cols, 3)];
    const drift = driftOf(hessian, 5);
    const want = naive(values, rows, cols, hessian, drift, 0.25, 0.1);
    const most = want.reduce((largest, x) => Math.max(largest, Math.abs(x)), 0);
    for (const order of ['given', 'energy'] as const) {
      const { sweep } = prepareHessian(hessian, cols, [{ from: 0, to: cols, weight: U4 }], { ...ROUNDING, damping: 0.1, order });
      const own = values.slice();
      const found = corrected(own, rows, cols, drift, 0.25, sweep!);
      // One rounding to f32; the f64 steps before it are far below.
      found.forEach((x, at) => expect(Math.abs(x - want[at]!)).toBeLessThan(2 ** -24 * most));
      expect(own).toEqual(values);
    }
  });
});

describe('roundRows() with drift', () => {
  const COLS = 64;
  const hessian = secondMoment(COLS, 11);
  const drift = driftOf(hessian, 12);
  const values = weights(48, COLS, 13);
  const job = roundJob(values, COLS, U4, { hessian, drift, rounding: ROUNDING });

  it('rounds what the correction makes of the weights', () => {
    const { sweep } = prepareHessian(hessian, COLS, job.segments, ROUNDING);
    const moved = corrected(values, 48, COLS, drift, 0.25, sweep!);
    expect(roundRows(job)).toEqual(roundRows({ ...job, values: moved, drift: null }));
    expect(roundRows(job)).not.toEqual(roundRows({ ...job, drift: null }));
  });

  it('leaves weights alone without drift, with none of it, and without a share', () => {
    const plain = roundRows({ ...job, drift: null });
    expect(roundRows({ ...job, drift: new Float32Array(COLS * COLS) })).toEqual(plain);
    expect(roundRows({ ...job, rounding: { ...ROUNDING, correction: 0 } })).toEqual(plain);
    expect(roundRows({ ...job, rounding: 'nearest' })).toEqual(roundRows({ ...job, rounding: 'nearest', drift: null }));
  });

  it('corrects numbers that have no grid', () => {
    const segments = [{ from: 0, to: 32, weight: U4 }, { from: 32, to: COLS, weight: { bits: 32 } }] as const;
    const { sweep } = prepareHessian(hessian, COLS, segments, ROUNDING);
    const moved = corrected(values, 48, COLS, drift, 0.25, sweep!);
    expect(roundRows({ ...job, segments })).toEqual(roundRows({ ...job, segments, values: moved, drift: null }));
    const whole = [{ from: 0, to: COLS, weight: { bits: 32 } }] as const;
    expect(valuesOf(roundRows({ ...job, segments: whole }), whole, 48, COLS)).toEqual(moved);
  });

  it('gives the same for rows at once and in panels', () => {
    const part = (from: number, to: number): RoundJob => ({ ...job, rows: to - from, values: values.slice(from * COLS, to * COLS) });
    expect(joinRounded([part(0, 16), part(16, 48)].map(roundRows))).toEqual(roundRows(job));
  });

  it('refuses drift of another size', () => {
    expect(() => roundRows({ ...job, drift: new Float32Array(COLS) })).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
  });

  it('brings the outputs on quantised inputs nearer to those of the f32 model on its own', () => {
    const next = gaussian(21);
    const [mixing, shift] = [0.3, 0.15].map((size) => Float64Array.from({ length: COLS * COLS }, () => (size * next()) / Math.sqrt(COLS)));
    const times = (matrix: Float64Array, x: Float64Array): Float64Array => x.map((_, i) => x.reduce((sum, value, k) => sum + matrix[i * COLS + k]! * value, 0));
    /** An input x and, of the f32 model, x' = x + S x + noise. */
    const pair = (): { x: Float64Array; exact: Float64Array } => {
      const z = Float64Array.from({ length: COLS }, next);
      const x = times(mixing!, z).map((value, i) => z[i]! * 0.2 + 2 * value);
      return { x, exact: times(shift!, x).map((value, i) => x[i]! + value + 0.02 * next()) };
    };
    const sums = (tokens: number, of: (i: number, j: number, token: { x: Float64Array; exact: Float64Array }) => number): Float32Array => {
      const sum = new Float64Array(COLS * COLS);
      for (let t = 0; t < tokens; t++) {
        const token = seen[t]!;
        for (let i = 0; i < COLS; i++) for (let j = 0; j < COLS; j++) sum[i * COLS + j]! += of(i, j, token) / tokens;
      }
      return Float32Array.from(sum);
    };
    const seen = Array.from({ length: 1000 }, pair);
    const own = sums(1000, (i, j, { x }) => x[i]! * x[j]!);
    const moved = sums(1000, (i, j, { x, exact }) => (exact[i]! - x[i]!) * x[j]!);
    const fresh = Array.from({ length: 300 }, pair);
    const lost = (correction: number): number => {
      const changes = { hessian: own, drift: moved, rounding: { ...ROUNDING, correction } };
      const rounded = valuesOf(roundRows({ ...job, ...changes }), job.segments, 48, COLS);
      return fresh.reduce((total, { x, exact }) => {
        for (let row = 0; row < 48; row++) {
          let error = 0;
          for (let k = 0; k < COLS; k++) error += values[row * COLS + k]! * exact[k]! - rounded[row * COLS + k]! * x[k]!;
          total += error * error;
        }
        return total;
      }, 0);
    };
    const errors = [0, 0.25, 1].map(lost);
    expect(errors[1]).toBeLessThan(0.75 * errors[0]!);
    expect(errors[2]).toBeLessThan(0.75 * errors[1]!);
  });
});
