import { PANEL } from '../../formats/descriptor.ts';
import { addProducts, type Rows } from '../algebra/products.ts';
import type { Hessian } from './hessian.ts';

/** Rows of a matrix that all rows of weights are multiplied by before the next ones. */
const TILE = 32;

/** `addProducts` panel by panel: its results and its matrix stay in the second cache. */
function addTile(out: Rows, factors: Rows, rows: number, matrix: Rows, count: number, from: number, to: number): void {
  for (let row = 0; row < rows; row += PANEL) {
    const at = (of: Rows): Rows => ({ ...of, at: of.at + row * of.stride });
    addProducts(at(out), at(factors), Math.min(PANEL, rows - row), matrix, count, from, to);
  }
}

/**
 * Weights that make up for part of what the inputs x of the packed model differ by from those of the f32 model, x': the least squares of
 * E |W x' - V x|^2 is V = W + W D H^-1 with D = E[(x' - x) x^T]; the sums are over few tokens, so that only a `share` of the way is worth going.
 * H is damped and H^-1 = U^T U, as for the rounding that follows.
 *
 * @param values f32 [rows, cols]
 * @param drift D up to the factor of H, f32 [cols, cols]
 */
export function corrected(values: Float32Array, rows: number, cols: number, drift: Float32Array, share: number, { order, factor }: NonNullable<Hessian['sweep']>): Float32Array {
  const flat = (data: Float64Array, at = 0): Rows => ({ data, at, stride: cols });
  const tile = new Float64Array(TILE * cols);
  let [factors, products] = [new Float64Array(values), new Float64Array(rows * cols)];
  const next = (): void => void ([factors, products] = [products, factors.fill(0)]);

  for (let i = 0; i < cols; i += TILE) { // W D, columns in the order of rounding
    const count = Math.min(TILE, cols - i);
    for (let k = 0; k < count; k++) for (let j = 0; j < cols; j++) tile[k * cols + j] = drift[(i + k) * cols + order[j]!]!;
    addTile(flat(products), flat(factors, i), rows, flat(tile), count, 0, cols);
  }
  next();
  for (let i = 0; i < cols; i += TILE) { // times U^T
    const count = Math.min(TILE, cols - i);
    for (let k = 0; k < count; k++) for (let j = i; j < cols; j++) tile[(j - i) * TILE + k] = factor[(i + k) * cols + j]!;
    addTile(flat(products, i), flat(factors, i), rows, { data: tile, at: 0, stride: TILE }, cols - i, 0, count);
  }
  next();
  for (let i = 0; i < cols; i += TILE) { // times U
    addTile(flat(products), flat(factors, i), rows, flat(factor, i * cols), Math.min(TILE, cols - i), i, cols);
  }
  const out = values.slice();
  for (let at = 0; at < out.length; at += cols) {
    for (let i = 0; i < cols; i++) out[at + order[i]!] = values[at + order[i]!]! + share * products[at + i]!;
  }
  return out;
}
