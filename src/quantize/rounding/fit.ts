import type { WeightFormat } from '../../formats/number-format.ts';

/** Real-valued grids of blocks, each an f64 [rows, blocks], before scales and zeros are rounded to their own formats. */
export interface Fits {
  readonly scale: Float64Array;
  readonly offset: Float64Array;
  /** Sums of the codes and of their squares: what rounding a scale and a minimum costs (`stored.ts`). */
  readonly sum: Float64Array;
  readonly squares: Float64Array;
}

export const makeFits = (entries: number): Fits => {
  const make = (): Float64Array => new Float64Array(entries);
  return { scale: make(), offset: make(), sum: make(), squares: make() };
};

/** Fits a grid to values [from, to), a block that starts at a channel, and writes it to an entry. */
export type FitBlock = (values: Float32Array, from: number, to: number, format: WeightFormat, fits: Fits, entry: number, channel: number) => void;

/** Least-squares rounds; on 4-bit blocks of 32 two of them take an eighth off the squared error of the span of minimum to maximum. */
const ROUNDS = 2;

/** The integer in [0, limit] next to x; halves round up. */
export const nearestCode = (x: number, limit: number): number => (x <= 0 ? 0 : x >= limit ? limit : (x + 0.5) | 0);

/** Whether the offset is a number of its own and no whole multiple of the scale. */
const isReal = ({ zero }: WeightFormat): boolean => zero === 'min' || zero === 'u3';

/** Zero point of a format without real minima. */
const zeroPoint = (format: WeightFormat, scale: number, offset: number): number =>
  format.zero === 'mid' ? 1 << (format.bits - 1) : scale === 0 ? 0 : Math.min((1 << format.bits) - 1, Math.round(-offset / scale));

/** Smallest and largest of values [from, to), written to `out`. */
export function limitsOf(values: Float32Array, from: number, to: number, out: Float64Array): void {
  let low = values[from]!;
  let high = low;
  for (let i = from + 1; i < to; i++) {
    const value = values[i]!;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  out[0] = low;
  out[1] = high;
}

/**
 * The grid (scale, offset), written to `out`, that spans a range times `ratio`: `mid` the largest magnitude, `int` from minimum to maximum and zero, real
 * minima from minimum to maximum around their middle.
 */
export function spanGrid(low: number, high: number, ratio: number, format: WeightFormat, out: Float64Array): void {
  const limit = (1 << format.bits) - 1;
  if (format.zero === 'mid') {
    const half = 1 << (format.bits - 1);
    out[0] = (Math.max(-low, high) * ratio) / (half - 1);
    out[1] = -half * out[0];
  } else if (isReal(format)) {
    out[0] = ((high - low) * ratio) / limit;
    out[1] = low + ((1 - ratio) / 2) * (high - low);
  } else {
    const bottom = Math.min(0, low) * ratio;
    out[0] = (Math.max(0, high) * ratio - bottom) / limit;
    out[1] = -out[0] * zeroPoint(format, out[0], bottom);
  }
}

/** Sum over values [from, to) of the weight of their channel times the squared error of their nearest code; stops above `most`. */
export function weightedError(
  values: Float32Array, from: number, to: number, scale: number, offset: number, limit: number, weights: Float64Array, channel: number, most: number,
): number {
  const inverse = scale === 0 ? 0 : 1 / scale;
  let sum = 0;
  for (let i = from; i < to && sum < most; i++) {
    const x = values[i]! - offset;
    const error = x - scale * nearestCode(x * inverse, limit);
    sum += weights[channel + i - from]! * error * error;
  }
  return sum;
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

const sums = new Float64Array(4);
const grid = new Float64Array(2);

/** Writes a grid and the moments of its codes. */
export function setFit(values: Float32Array, from: number, to: number, format: WeightFormat, scale: number, offset: number, fits: Fits, entry: number): void {
  moments(values, from, to, scale, offset, (1 << format.bits) - 1, sums);
  fits.scale[entry] = scale;
  fits.offset[entry] = offset;
  fits.sum[entry] = sums[0]!;
  fits.squares[entry] = sums[1]!;
}

/**
 * The span of the values, then rounds of (nearest codes, least-squares scale and, with real minima, offset).
 * A block that lies on a grid and uses both of its ends keeps that grid.
 */
export const fitLeastSquares: FitBlock = (values, from, to, format, fits, entry) => {
  limitsOf(values, from, to, grid);
  spanGrid(grid[0]!, grid[1]!, 1, format, grid);
  const limit = (1 << format.bits) - 1;
  const count = to - from;
  let scale = grid[0]!;
  let offset = grid[1]!;
  for (let round = 0; round < ROUNDS && scale !== 0; round++) {
    moments(values, from, to, scale, offset, limit, sums);
    const sum = sums[0]!;
    const total = sums[2]!;
    const zero = isReal(format) ? sum / count : zeroPoint(format, scale, offset);
    const energy = sums[1]! - 2 * zero * sum + count * zero * zero;
    if (energy <= 0) break;
    scale = (sums[3]! - zero * total) / energy;
    offset = (isReal(format) ? total / count : 0) - zero * scale;
  }
  setFit(values, from, to, format, scale, offset, fits, entry);
};
