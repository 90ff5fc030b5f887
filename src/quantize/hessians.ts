import type { LinearMoments } from '../calibrate/layer-moments.ts';
import { PANEL } from '../formats/descriptor.ts';
import type { LinearSpec } from '../models/sites.ts';

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

/** Ranges that cover all rows; values, the last ones, have a Hessian for each KV head where moments were taken after the attention average. Heads that are no whole panels share the input's Hessian. */
export function hessianRanges({ rows }: LinearSpec, hessians: LinearMoments | null, order: Int32Array | null): HessianRange[] {
  if (!hessians) return [{ rows: [0, rows], hessian: null }];
  const input = permuted(hessians.input, order);
  const { values } = hessians;
  if (!values || values.headDim % PANEL !== 0) return [{ rows: [0, rows], hessian: input }];
  const { headDim, matrices } = values;
  const first = rows - headDim * matrices.length;
  const heads = matrices.map((matrix, head): HessianRange => ({ rows: [first + head * headDim, first + (head + 1) * headDim], hessian: permuted(matrix, order) }));
  return [{ rows: [0, first], hessian: input }, ...heads];
}
