import { f16ToF32, f32ToF16 } from '../../core/numeric.ts';
import { addProducts } from '../algebra/products.ts';
import { Subspace } from '../algebra/subspace.ts';
import { PLAIN, type RoundSegment } from '../rounding/job.ts';
import { roundRows, valuesOf } from '../rounding/round.ts';
import type { Block } from '../schema.ts';

/** A low-rank part of weights, in f32 that hold f16: up [rows, rank] times down [rank, cols]. */
export interface LowRank {
  readonly rank: number;
  readonly up: Float32Array;
  readonly down: Float32Array;
}

/** Steps of the first approximation, from random directions, and of those that start at the last one. */
const [FIRST_STEPS, NEXT_STEPS] = [8, 1];

const halves = (values: Float64Array): Float32Array => Float32Array.from(values, (x) => f16ToF32(f32ToF16(x)));

/** values - up * down, f64 [rows, cols]. */
function without(values: Float32Array, { up, down, rank }: LowRank, rows: number, cols: number): Float64Array {
  const rest = new Float64Array(values);
  const factors = { data: new Float64Array(up).map((x) => -x), at: 0, stride: rank };
  addProducts({ data: rest, at: 0, stride: cols }, factors, rows, { data: new Float64Array(down), at: 0, stride: cols }, rank, 0, cols);
  return rest;
}

/**
 * The part L of weights, f32 [rows, cols], that leaves the least ||W - L - Q(W - L)||^2 (Li et al., SVDQuant, 2024, section 4.2): L is the best
 * approximation of W, then of W - Q(W - L), as often as `iterations` says or until the error stops falling. Q: nearest rounding with grids by least squares.
 * Ranks above the smaller side are padded with zeros.
 */
export function lowRank(values: Float32Array, rows: number, cols: number, step: Pick<Block<'lowRank'>, 'rank' | 'iterations'>, segments: readonly RoundSegment[]): LowRank {
  const { rank } = step;
  const subspace = new Subspace(rows, cols, rank);
  const pad = ({ up, down }: { up: Float64Array; down: Float64Array }): LowRank => {
    const wide = new Float64Array(rows * rank);
    for (let row = 0; row < rows; row++) wide.set(up.subarray(row * subspace.rank, (row + 1) * subspace.rank), row * rank);
    const tall = new Float64Array(rank * cols);
    tall.set(down);
    return { rank, up: halves(wide), down: halves(tall) };
  };
  let best: LowRank | null = null;
  let least = Infinity;
  const left = new Float64Array(values);
  for (let i = 0; i < step.iterations; i++) {
    const low = pad(subspace.approximate(left, i === 0 ? FIRST_STEPS : NEXT_STEPS));
    const residual = new Float32Array(without(values, low, rows, cols));
    const rounded = roundRows({ rows, cols, values: residual, segments, ...PLAIN });
    const stored = valuesOf(rounded, segments, rows, cols);
    let error = 0;
    for (let at = 0; at < stored.length; at++) error += (residual[at]! - stored[at]!) * (residual[at]! - stored[at]!);
    if (best && error >= least) break;
    best = low;
    least = error;
    for (let at = 0; at < left.length; at++) left[at] = values[at]! - stored[at]!;
  }
  return best ?? pad({ up: new Float64Array(0), down: new Float64Array(0) });
}
