import type { LinearMoments } from '../calibrate/layer-moments.ts';
import { PANEL } from '../formats/descriptor.ts';
import type { LinearSpec } from '../models/sites.ts';

/** Rows of a linear that share a Hessian, and what is known of their inputs' drift, in the order of the (permuted) channels. */
export interface HessianRange {
  readonly rows: readonly [number, number];
  readonly hessian: Float32Array | null;
  readonly drift: Float32Array | null;
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

/** E[(x + e) (x + e)^T] for errors e of the channels that depend on nothing else: H with their mean squares added to its diagonal. */
function withNoise(hessian: Float32Array, noise: Float64Array | null): Float32Array {
  if (!noise) return hessian;
  const noisy = hessian.slice();
  noise.forEach((square, k) => (noisy[k * noise.length + k]! += square));
  return noisy;
}

/**
 * Ranges that cover all rows. Values, the last ones, have a Hessian for each KV head where moments were taken after the attention average, and then no drift;
 * heads that are no whole panels share the input's. `noise`: mean squared errors of the (permuted) inputs, which vanish where inputs are averaged.
 */
export function hessianRanges({ rows }: LinearSpec, hessians: LinearMoments | null, order: Int32Array | null, noise: Float64Array | null = null): HessianRange[] {
  if (!hessians) return [{ rows: [0, rows], hessian: null, drift: null }];
  const own = { hessian: withNoise(permuted(hessians.input, order), noise), drift: hessians.drift && permuted(hessians.drift, order) };
  const { values } = hessians;
  if (!values || values.headDim % PANEL !== 0) return [{ rows: [0, rows], ...own }];
  const { headDim, matrices } = values;
  const first = rows - headDim * matrices.length;
  const heads = matrices.map((matrix, head): HessianRange => (
    { rows: [first + head * headDim, first + (head + 1) * headDim], hessian: permuted(matrix, order), drift: null }
  ));
  return [{ rows: [0, first], ...own }, ...heads];
}
