import { TetradError } from '../../core/errors.ts';
import { pow } from '../../core/math.ts';
import type { Clip } from '../schema.ts';
import { byEnds } from './clip-ends.ts';
import { fitLeastSquares, limitsOf, nearestCode, setFit, spanGrid, weightedError, type FitBlock } from './fit.ts';
import type { Hessian } from './hessian.ts';

/** The smallest range that a search tries. */
const LEAST_RATIO = 0.2;
const ratioOf = (step: number, steps: number): number => 1 - ((1 - LEAST_RATIO) * step) / steps;

/** Entries of a table of x^power over [0, 1]. */
const TABLE = 4096;
const powers = (power: number): Float64Array => Float64Array.from({ length: TABLE + 2 }, (_, i) => (i === 0 ? 0 : pow(i / TABLE, power)));

const limits = new Float64Array(2);
const grid = new Float64Array(2);

/** Sum of |error / span|^power over values [from, to); stops above `most`. Powers are interpolated in a table: exact to 1e-5 where they count. */
function powerError(values: Float32Array, from: number, to: number, scale: number, offset: number, limit: number, perSpan: number, table: Float64Array, most: number): number {
  const inverse = scale === 0 ? 0 : 1 / scale;
  let sum = 0;
  for (let i = from; i < to && sum < most; i++) {
    const x = values[i]! - offset;
    const error = Math.abs(x - scale * nearestCode(x * inverse, limit)) * perSpan;
    const index = error < TABLE ? error | 0 : TABLE;
    const low = table[index]!;
    sum += low + (error - index) * (table[index + 1]! - low);
  }
  return sum;
}

/** The errors of values [from, to). */
function errorsOf(values: Float32Array, from: number, to: number, scale: number, offset: number, limit: number, errors: Float64Array): void {
  const inverse = scale === 0 ? 0 : 1 / scale;
  for (let i = from; i < to; i++) {
    const x = values[i]! - offset;
    errors[i - from] = x - scale * nearestCode(x * inverse, limit);
  }
}

/** e^T H e over `count` channels from `channel`; four sums at a time, as one would wait for each addition. */
function outputError(errors: Float64Array, count: number, { matrix, cols }: Hessian, channel: number): number {
  let total = 0;
  for (let i = 0; i < count; i++) {
    const row = (channel + i) * cols + channel;
    const error = errors[i]!;
    let s0 = 0.5 * matrix[row + i]! * error;
    let s1 = 0;
    let s2 = 0;
    let s3 = 0;
    let j = 0;
    for (; j + 3 < i; j += 4) {
      s0 += matrix[row + j]! * errors[j]!;
      s1 += matrix[row + j + 1]! * errors[j + 1]!;
      s2 += matrix[row + j + 2]! * errors[j + 2]!;
      s3 += matrix[row + j + 3]! * errors[j + 3]!;
    }
    for (; j < i; j++) s0 += matrix[row + j]! * errors[j]!;
    total += error * (s0 + s1 + (s2 + s3));
  }
  return 2 * total;
}

/** The span times a ratio. */
const byRange = (ratio: number): FitBlock => (values, from, to, format, fits, entry) => {
  limitsOf(values, from, to, limits);
  spanGrid(limits[0]!, limits[1]!, ratio, format, grid);
  setFit(values, from, to, format, grid[0]!, grid[1]!, fits, entry);
};

function byError(power: number, steps: number): FitBlock {
  const table = powers(power);
  return (values, from, to, format, fits, entry, channel) => {
    limitsOf(values, from, to, limits);
    const low = limits[0]!;
    const high = limits[1]!;
    const span = Math.max(high - low, -low, high);
    const perSpan = span === 0 ? 0 : TABLE / span;
    let least = Infinity;
    let chosen = 0;
    for (let step = 0; step < steps; step++) {
      spanGrid(low, high, ratioOf(step, steps), format, grid);
      const error = powerError(values, from, to, grid[0]!, grid[1]!, (1 << format.bits) - 1, perSpan, table, least);
      if (error >= least) continue;
      least = error;
      chosen = step;
    }
    byRange(ratioOf(chosen, steps))(values, from, to, format, fits, entry, channel);
  };
}

/** Ratios whose whole e^T H e is computed, of blocks up to and above 128 channels: its cost grows with the square of the block. */
const FINALISTS = [8, 3] as const;

/** The diagonal of H chooses a few ratios out of all, the whole block of H one of them. */
function byOutput(steps: number, hessian: Hessian): FitBlock {
  const { cols, matrix } = hessian;
  const diagonal = Float64Array.from({ length: cols }, (_, j) => matrix[j * cols + j]!);
  const errors = new Float64Array(cols);
  const rough = new Float64Array(steps);
  return (values, from, to, format, fits, entry, channel) => {
    const count = to - from;
    const limit = (1 << format.bits) - 1;
    const finalists = FINALISTS[count <= 128 ? 0 : 1];
    limitsOf(values, from, to, limits);
    const low = limits[0]!;
    const high = limits[1]!;
    let bound = Infinity;
    for (let step = 0; step < steps; step++) {
      spanGrid(low, high, ratioOf(step, steps), format, grid);
      rough[step] = weightedError(values, from, to, grid[0]!, grid[1]!, limit, diagonal, channel, 2 * bound);
      bound = Math.min(bound, rough[step]!);
    }
    let least = Infinity;
    let chosen = 0;
    for (let n = 0; n < Math.min(finalists, steps); n++) {
      let best = 0;
      for (let step = 1; step < steps; step++) if (rough[step]! < rough[best]!) best = step;
      rough[best] = Infinity;
      spanGrid(low, high, ratioOf(best, steps), format, grid);
      errorsOf(values, from, to, grid[0]!, grid[1]!, limit, errors);
      const error = outputError(errors, count, hessian, channel);
      if (error >= least) continue;
      least = error;
      chosen = best;
    }
    byRange(ratioOf(chosen, steps))(values, from, to, format, fits, entry, channel);
  };
}

/** How the grid of a block is found. Throws `invalid_argument` where a search by output has no Hessian. */
export function fitterOf(clip: Clip, hessian: Hessian | null, cols: number): FitBlock {
  switch (clip.by) {
    case 'ends': return byEnds(hessian, cols);
    case 'range': return byRange(clip.ratio);
    case 'leastSquares': return fitLeastSquares;
    case 'error': return byError(clip.power, clip.steps);
    case 'output': {
      if (hessian) return byOutput(clip.steps, hessian);
      throw new TetradError('invalid_argument', 'Cannot search ranges by the error of outputs: there is no Hessian, needed is one of the inputs');
    }
    default: return clip satisfies never;
  }
}
