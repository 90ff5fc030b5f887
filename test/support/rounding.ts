import type { FloatFormat, WeightFormat } from '../../src/formats/number-format.ts';
import type { RoundJob } from '../../src/quantize/rounding/round.ts';
import { gaussian } from './tiny-model.ts';

/** Weights, f32 [rows, cols], about normal, one in fifty four times as large. */
export function weights(rows: number, cols: number, seed: number): Float32Array {
  const next = gaussian(seed);
  return Float32Array.from({ length: rows * cols }, (_, i) => 0.05 * next() * (i % 50 === 7 ? 4 : 1));
}

/** Mean of x x^T over correlated inputs, f32 [cols, cols]: a few common directions, a mean, channels of different size. */
export function secondMoment(cols: number, seed: number, tokens = 3 * cols): Float32Array {
  const next = gaussian(seed);
  const ranks = Math.max(2, cols >> 3);
  const directions = Float64Array.from({ length: ranks * cols }, next);
  const size = Float64Array.from({ length: cols }, () => 0.2 + next() ** 2);
  const mean = Float64Array.from({ length: cols }, () => 0.3 * next());
  const sums = new Float64Array(cols * cols);
  for (let t = 0; t < tokens; t++) {
    const x = mean.map((m) => m + 0.5 * next());
    for (let r = 0; r < ranks; r++) {
      const z = (0.5 * next()) / Math.sqrt(1 + r / 4);
      for (let k = 0; k < cols; k++) x[k]! += z * directions[r * cols + k]!;
    }
    for (let k = 0; k < cols; k++) x[k]! *= size[k]!;
    for (let i = 0; i < cols; i++) for (let j = 0; j < cols; j++) sums[i * cols + j]! += x[i]! * x[j]!;
  }
  return Float32Array.from(sums, (sum) => sum / tokens);
}

/** tr(E H E^T) of errors E = rounded - values. */
export function outputError(values: Float32Array, rounded: Float32Array, hessian: Float32Array, cols: number): number {
  let total = 0;
  for (let at = 0; at < values.length; at += cols) {
    for (let i = 0; i < cols; i++) {
      for (let j = 0; j < cols; j++) total += (rounded[at + i]! - values[at + i]!) * hessian[i * cols + j]! * (rounded[at + j]! - values[at + j]!);
    }
  }
  return total;
}

export const COMPENSATED = { kind: 'gptq', damping: 0.01, order: 'given', groups: 'static', inputs: 'exact', attention: false, sweeps: 0, skip: 0, correction: 0 } as const;

/** A job of one format with nearest rounding by least squares, but for `changes`. */
export function roundJob(values: Float32Array, cols: number, weight: WeightFormat | FloatFormat, changes: Partial<RoundJob> = {}): RoundJob {
  return {
    rows: values.length / cols, cols, values, segments: [{ from: 0, to: cols, weight }], rounding: 'nearest', clip: { by: 'leastSquares' }, hessian: null, drift: null, sparseShare: 0, ...changes,
  };
}

/** Every combination of fields that formats allow, with blocks of 32 or, for 3-bit scales, 16. */
export const GRIDS: readonly WeightFormat[] = ([3, 4, 6, 8] as const).flatMap((bits): WeightFormat[] => [
  ...(['f16', 'u8'] as const).flatMap((scale) => (['mid', 'int', 'min'] as const).map((zero): WeightFormat => ({ bits, block: 32, scale, zero }))),
  ...(['mid', 'min'] as const).map((zero): WeightFormat => ({ bits, block: 'row', scale: 'bf16', zero })),
  ...(bits < 6 ? [{ bits, block: 16, scale: 'u3', zero: 'u3' } as const] : []),
]);

export const formatName = ({ bits, block, scale, zero }: WeightFormat): string => `${bits} bits, block ${block}, ${scale} scales, ${zero}`;
