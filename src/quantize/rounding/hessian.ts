import { TetradError } from '../../core/errors.ts';
import { isGrid } from '../../formats/number-format.ts';
import { factorise, invertUpper } from '../algebra/factor.ts';
import type { Rounding } from '../schema.ts';
import type { RoundSegment } from './job.ts';

/** What rounding knows about a linear's inputs: H = sum of x x^T up to a factor, and what rounding column by column needs of its inverse. */
export interface Hessian {
  readonly cols: number;
  /** f64 [cols, cols], damped; channels as the weights have them. */
  readonly matrix: Float64Array;
  /** u8 [cols]: 1 where no input was ever different from 0. */
  readonly dead: Uint8Array;
  /** Present for rounding with compensation. */
  readonly sweep: {
    /** i32 [cols]: channels in the order of rounding; those that stay numbers come last. */
    readonly order: Int32Array;
    /** f64 [cols, cols] in that order, upper triangular U with H^-1 = U^T U. */
    readonly factor: Float64Array;
  } | null;
}

/** f64 [cols]: what a squared error of each channel costs: 1 / U_jj^2 where later channels make up for it, H_jj where none do, 1 without a Hessian. */
export function errorWeights(hessian: Hessian | null, cols: number): Float64Array {
  const weights = new Float64Array(cols).fill(1);
  if (!hessian) return weights;
  const { matrix, sweep } = hessian;
  for (let i = 0; i < cols; i++) {
    const pivot = sweep ? sweep.factor[i * cols + i]! : 0;
    weights[sweep ? sweep.order[i]! : i] = sweep ? 1 / (pivot * pivot) : matrix[i * cols + i]!;
  }
  return weights;
}

/** How often damping grows tenfold before a matrix is refused. */
const RAISES = 4;

type Order = Exclude<Rounding, string>['order'];

/** The channels of a segment in parts: of a block of its grid each, or of one channel. */
function partsOf({ from, to, weight }: RoundSegment, order: Order): number[][] {
  const size = order !== 'blocks' ? 1 : isGrid(weight) && weight.block !== 'row' ? weight.block : to - from;
  const channels = Array.from({ length: to - from }, (_, k) => from + k);
  return Array.from({ length: Math.ceil(channels.length / size) }, (_, part) => channels.slice(part * size, (part + 1) * size));
}

/**
 * Channels in the order of rounding. `energy` sorts those of neighbouring segments with the same width by descending H_jj, `blocks` their blocks by
 * descending mean of H_jj and each block's channels; wider ones stay last.
 */
function sweepOrder(diagonal: Float64Array, segments: readonly RoundSegment[], order: Order): Int32Array {
  const sorted = [...segments.filter(({ weight }) => isGrid(weight)), ...segments.filter(({ weight }) => !isGrid(weight))];
  const runs: number[][][] = [];
  sorted.forEach((segment, i) => {
    if (i === 0 || sorted[i - 1]!.weight.bits !== segment.weight.bits) runs.push([]);
    runs.at(-1)!.push(...partsOf(segment, order));
  });
  if (order === 'given') return Int32Array.from(runs.flat(2));
  const byEnergy = (run: readonly number[][]): number[] => run
    .map((part) => ({ part: part.toSorted((a, b) => diagonal[b]! - diagonal[a]!), mean: part.reduce((sum, k) => sum + diagonal[k]!, 0) / part.length }))
    .sort((a, b) => b.mean - a.mean)
    .flatMap(({ part }) => part);
  return Int32Array.from(runs.flatMap(byEnergy)); // equal ones as they lie: sorting is stable
}

/**
 * Prepares H, f32 [cols, cols], for rounding weights with these segments. Channels without inputs couple to nothing: their H_jj becomes the mean of the
 * others'. `damping` times that mean is added to the diagonal; ten times as much, and so on, where H is still not positive definite.
 * The inverse is never formed: H = R R^T, U = R^-1.
 *
 * Throws `invalid_argument` where H holds values that are not finite or stays indefinite.
 */
export function prepareHessian(values: Float32Array, cols: number, segments: readonly RoundSegment[], rounding: Rounding): Hessian {
  const refuse = (found: string, needed: string): TetradError =>
    new TetradError('invalid_argument', `Cannot round by a Hessian of ${cols} channels: ${found}, needed ${needed}`);
  if (values.length !== cols * cols) throw refuse(`it has ${values.length} values`, `are ${cols * cols}`);
  const matrix = new Float64Array(values);
  const diagonal = Float64Array.from({ length: cols }, (_, j) => matrix[j * cols + j]!);
  const bad = diagonal.findIndex((x) => !(x >= 0 && x < Infinity));
  if (bad >= 0) throw refuse(`the mean square of channel ${bad} is ${diagonal[bad]}`, 'is a finite number from 0');
  const live = diagonal.reduce((count, x) => count + (x > 0 ? 1 : 0), 0);
  const mean = live === 0 ? 1 : diagonal.reduce((sum, x) => sum + x, 0) / live;
  const dead = Uint8Array.from(diagonal, (x) => (x === 0 ? 1 : 0));
  const damp = (amount: number): void => diagonal.forEach((x, j) => (matrix[j * cols + j] = (dead[j] ? mean : x) + amount * mean));
  damp(0);
  if (typeof rounding === 'string') return { cols, matrix, dead, sweep: null };
  const order = sweepOrder(diagonal, segments, rounding.order);
  const factor = new Float64Array(cols * cols);
  for (let raise = 0, damping = rounding.damping; raise <= RAISES; raise++, damping *= 10) {
    damp(damping);
    for (let i = 0; i < cols; i++) {
      for (let j = i; j < cols; j++) factor[i * cols + j] = matrix[order[i]! * cols + order[j]!]!;
    }
    if (!factorise(factor, cols)) continue;
    invertUpper(factor, cols);
    return { cols, matrix, dead, sweep: { order, factor } };
  }
  throw refuse(`it is not positive definite, with damping from ${rounding.damping} raised tenfold ${RAISES} times`, 'is a sum of x x^T over finite inputs');
}
