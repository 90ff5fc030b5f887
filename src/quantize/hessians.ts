import { PANEL } from '../formats/descriptor.ts';
import type { LinearSpec } from '../models/sites.ts';

/** Second moments of a linear's input, f32 [cols, cols], channels as the producer emits them. */
export interface SiteHessians {
  readonly input: Float32Array;
  /** Of values alone, where they were taken after the attention average: one matrix for the rows of each KV head, which are the last ones. */
  readonly values: { readonly headDim: number; readonly matrices: readonly Float32Array[] } | null;
}

/** Rows of a linear that share a Hessian, in the order of the (permuted) channels. */
export interface HessianRange {
  readonly rows: readonly [number, number];
  readonly hessian: Float32Array | null;
}

function permuted(matrix: Float32Array, order: Int32Array | null): Float32Array {
  if (!order) return matrix;
  const size = order.length;
  const out = new Float32Array(matrix.length);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) out[i * size + j] = matrix[order[i]! * size + order[j]!]!;
  }
  return out;
}

/** Ranges that cover all rows. Heads that are no whole panels share the input's Hessian. */
export function hessianRanges({ rows }: LinearSpec, hessians: SiteHessians | null, order: Int32Array | null): HessianRange[] {
  if (!hessians) return [{ rows: [0, rows], hessian: null }];
  const input = permuted(hessians.input, order);
  const { values } = hessians;
  if (!values || values.headDim % PANEL !== 0) return [{ rows: [0, rows], hessian: input }];
  const { headDim, matrices } = values;
  const first = rows - headDim * matrices.length;
  const heads = matrices.map((matrix, head): HessianRange => ({ rows: [first + head * headDim, first + (head + 1) * headDim], hessian: permuted(matrix, order) }));
  return [{ rows: [0, first], hessian: input }, ...heads];
}
