import type { FloatFormat, WeightFormat } from '../../formats/number-format.ts';
import type { Clip, Rounding } from '../schema.ts';

/** A contiguous range of channels with one format. */
export interface RoundSegment {
  readonly from: number;
  readonly to: number;
  readonly weight: WeightFormat | FloatFormat;
}

/** Rows of a linear to be rounded: plain data that may go to another thread. Rows may be split in multiples of 16; the result is the same. */
export interface RoundJob {
  readonly rows: number;
  readonly cols: number;
  /** f32 [rows, cols], finite, transformed and permuted. */
  readonly values: Float32Array;
  /** By ascending channel, without gaps. */
  readonly segments: readonly RoundSegment[];
  readonly rounding: Exclude<Rounding, 'source'>;
  readonly clip: Clip;
  /** f32 [cols, cols]: sum of x x^T over the inputs, up to a factor; null: inputs count alike. */
  readonly hessian: Float32Array | null;
  /** f32 [cols, cols]: sum of (x' - x) x^T with the same factor, x' the inputs of the f32 model; null: nothing is known of them. */
  readonly drift: Float32Array | null;
  /** Part of each 16 rows' weights that is stored beside the grids as well; 0: none. */
  readonly sparseShare: number;
}

/** The rules of a job that looks at nothing but its weights: grids by least squares, nearest codes. */
export const PLAIN = { rounding: 'nearest', clip: { by: 'leastSquares' }, hessian: null, drift: null, sparseShare: 0 } as const satisfies Partial<RoundJob>;
