import type { WeightFormat } from '../../formats/number-format.ts';
import { blocksOf } from '../../formats/pack.ts';

/** Real-valued grids of blocks, each an f64 [rows, blocks], before scales and zeros are rounded to their own formats. */
export interface Fits {
  readonly scale: Float64Array;
  readonly offset: Float64Array;
  /** Sums of the codes and of their squares: what rounding a scale and a minimum costs (`two-level.ts`). */
  readonly sum: Float64Array;
  readonly squares: Float64Array;
}

/** Least-squares rounds; on 4-bit blocks of 32 two of them take an eighth off the squared error of the span of minimum to maximum. */
const ROUNDS = 2;

/** The integer in [0, limit] next to x; halves round up. */
export const nearestCode = (x: number, limit: number): number => (x <= 0 ? 0 : x >= limit ? limit : (x + 0.5) | 0);

/** Zero point of a format without real minima. */
const zeroPoint = (format: WeightFormat, scale: number, offset: number): number =>
  format.zero === 'mid' ? 1 << (format.bits - 1) : scale === 0 ? 0 : Math.min((1 << format.bits) - 1, Math.round(-offset / scale));

/** The grid that spans values [from, to): `mid` from the largest magnitude, `int` from minimum to maximum and zero, `min` from minimum to maximum. */
function span(values: Float32Array, from: number, to: number, format: WeightFormat): readonly [scale: number, offset: number] {
  let low = values[from]!;
  let high = low;
  for (let i = from + 1; i < to; i++) {
    const value = values[i]!;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (format.zero === 'mid') {
    const half = 1 << (format.bits - 1);
    const scale = Math.max(-low, high) / (half - 1);
    return [scale, -half * scale];
  }
  if (format.zero === 'int') [low, high] = [Math.min(0, low), Math.max(0, high)];
  const scale = (high - low) / ((1 << format.bits) - 1);
  return [scale, format.zero === 'int' ? -scale * zeroPoint(format, scale, low) : low];
}

/** Sums over values [from, to), given their nearest codes: of codes, of squared codes, of values, of values times codes. */
function moments(values: Float32Array, from: number, to: number, scale: number, offset: number, limit: number, out: Float64Array): void {
  const inverse = scale === 0 ? 0 : 1 / scale;
  let sum = 0;
  let squares = 0;
  let total = 0;
  let product = 0;
  for (let i = from; i < to; i++) {
    const value = values[i]!;
    const code = nearestCode((value - offset) * inverse, limit);
    sum += code;
    squares += code * code;
    total += value;
    product += value * code;
  }
  out[0] = sum;
  out[1] = squares;
  out[2] = total;
  out[3] = product;
}

/**
 * Fits a grid to every block: the span of its values, then rounds of (nearest codes, least-squares scale and, for `min`, offset).
 * A block that lies on a grid and uses both of its ends keeps that grid. values: f32 [rows, length].
 */
export function fitRows(values: Float32Array, rows: number, length: number, format: WeightFormat): Fits {
  const blocks = blocksOf(format, length);
  const make = (): Float64Array => new Float64Array(rows * blocks);
  const fits: Fits = { scale: make(), offset: make(), sum: make(), squares: make() };
  const limit = (1 << format.bits) - 1;
  const sums = new Float64Array(4);
  for (let entry = 0; entry < rows * blocks; entry++) {
    const row = Math.floor(entry / blocks);
    const from = row * length + (entry - row * blocks) * format.block;
    const to = Math.min((row + 1) * length, from + format.block);
    let [scale, offset] = span(values, from, to, format);
    for (let round = 0; ; round++) {
      moments(values, from, to, scale, offset, limit, sums);
      if (round === ROUNDS || scale === 0) break;
      const sum = sums[0]!;
      const squares = sums[1]!;
      const total = sums[2]!;
      const product = sums[3]!;
      const count = to - from;
      const zero = format.zero === 'min' ? sum / count : zeroPoint(format, scale, offset);
      const energy = squares - 2 * zero * sum + count * zero * zero;
      if (energy <= 0) break;
      scale = (product - zero * total) / energy;
      offset = (format.zero === 'min' ? total / count : 0) - zero * scale;
    }
    fits.scale[entry] = scale;
    fits.offset[entry] = offset;
    fits.sum[entry] = sums[0]!;
    fits.squares[entry] = sums[1]!;
  }
  return fits;
}
