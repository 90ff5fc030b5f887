import { f16ToF32, f32ToF16 } from '../../core/numeric.ts';
import { addProducts } from '../algebra/products.ts';
import { blockCount, setBits, type SegmentGrid } from './grids.ts';
import type { Hessian } from './hessian.ts';
import { roundAt, type Panel } from './panel.ts';
import { bestBits, storedError } from './stored.ts';

const f = Math.fround;

/** gradient[row] = H (values - target), f64 [rows, cols]. */
function gradientOf(panel: Panel, { matrix }: Hessian): Float64Array {
  const { rows, cols, values, target } = panel;
  const errors = values.map((value, at) => value - target[at]!);
  const gradient = new Float64Array(rows * cols);
  for (let at = 0; at < cols; at += 32) {
    const from = { data: matrix, at: at * cols, stride: cols };
    addProducts({ data: gradient, at: 0, stride: cols }, { data: errors, at, stride: cols }, rows, from, Math.min(32, cols - at), 0, cols);
  }
  return gradient;
}

/** Each weight of a panel in turn takes the value that is best given all others. Returns whether any changed. */
function descendCodes(panel: Panel, { matrix }: Hessian, gradient: Float64Array): boolean {
  const { rows, cols, values } = panel;
  let changed = false;
  for (let channel = 0; channel < cols; channel++) {
    const pivot = channel * cols;
    const curvature = matrix[pivot + channel]!;
    for (let row = 0; row < rows; row++) {
      const at = row * cols;
      const old = values[at + channel]!;
      const change = roundAt(panel, row, channel, old - gradient[at + channel]! / curvature) - old;
      if (change === 0) continue;
      changed = true;
      for (let j = 0; j < cols; j++) gradient[at + j] = gradient[at + j]! + change * matrix[pivot + j]!;
    }
  }
  return changed;
}

/** Values of a block of one row after its grid has changed; those kept beside the grid stay what they are, up to f16. Writes the changes. */
function revalue(panel: Panel, row: number, segment: SegmentGrid, block: number, changes: Float64Array): void {
  const { cols, grids, codes, values, kept, residuals } = panel;
  const channel = segment.from + block * segment.block;
  const entry = row * grids.count + segment.first + block;
  for (let k = 0; k < blockCount(segment, block); k++) {
    const at = row * cols + channel + k;
    const old = values[at]!;
    let value = f(f(grids.scale[entry]! * codes[at]!) + grids.offset[entry]!);
    if (kept?.[at]) {
      residuals[at] = f32ToF16(old - value);
      value = f(value + f16ToF32(residuals[at]));
    }
    values[at] = value;
    changes[row * segment.block + k] = value - old;
  }
}

/**
 * Grids of a block with the least error of the output, the codes as they are: with q the codes and 1 ones, both 0 at weights that are kept beside the
 * grid, the error is a quadratic form in (scale, offset) with q^T H q, q^T H 1 and 1^T H 1. A grid that storing would make worse stays.
 */
function descendBlock(panel: Panel, { matrix }: Hessian, gradient: Float64Array, segment: SegmentGrid, block: number): void {
  const { rows, cols, grids, codes, kept } = panel;
  const { fits } = segment;
  const channel = segment.from + block * segment.block;
  const count = blockCount(segment, block);
  const size = rows * segment.block;
  const factors = new Float64Array(2 * size); // rows of q, then rows of ones
  const products = new Float64Array(2 * size);
  for (let row = 0; row < rows; row++) {
    for (let k = 0; k < count; k++) {
      const at = row * cols + channel + k;
      if (kept?.[at]) continue;
      factors[row * segment.block + k] = codes[at]!;
      factors[size + row * segment.block + k] = 1;
    }
  }
  for (let k = 0; k < count; k += 32) {
    const from = { data: matrix, at: (channel + k) * cols + channel, stride: cols };
    const out = { data: products, at: 0, stride: segment.block };
    addProducts(out, { data: factors, at: k, stride: segment.block }, 2 * rows, from, Math.min(32, count - k), 0, count);
  }
  const changes = new Float64Array(size);
  for (let row = 0; row < rows; row++) {
    const entry = row * segment.blocks + block;
    const at = row * grids.count + segment.first + block;
    let [qq, qo, oo, qg, og] = [0, 0, 0, 0, 0];
    for (let k = 0; k < count; k++) {
      const i = row * segment.block + k;
      const q = factors[i]!;
      const one = factors[size + i]!;
      const slope = gradient[row * cols + channel + k]!;
      qq += q * products[i]!;
      qo += q * products[size + i]!;
      oo += one * products[size + i]!;
      qg += q * slope;
      og += one * slope;
    }
    const determinant = qq * oo - qo * qo;
    const isRegular = determinant > 1e-9 * qq * oo;
    fits.scale[entry] = grids.scale[at]! + (isRegular ? (qo * og - oo * qg) / determinant : 0);
    fits.offset[entry] = grids.offset[at]! + (isRegular ? (qo * qg - qq * og) / determinant : oo > 0 ? -og / oo : 0);
    fits.squares[entry] = qq;
    fits.sum[entry] = qo;
    const [scale, zero] = bestBits(segment, row, block, oo);
    const now = storedError(segment, row, block, oo, segment.scales[entry]!, segment.zeros[entry]!);
    if (storedError(segment, row, block, oo, scale, zero) >= now) continue;
    setBits(grids, segment, row, block, scale, zero);
    revalue(panel, row, segment, block, changes);
  }
  for (let k = 0; k < count; k += 32) {
    const from = { data: matrix, at: (channel + k) * cols, stride: cols };
    addProducts({ data: gradient, at: 0, stride: cols }, { data: changes, at: k, stride: segment.block }, rows, from, Math.min(32, count - k), 0, cols);
  }
}

/**
 * Rounds of descent on tr((V - W) H (V - W)^T) after the first rounding: every block's grid given the codes, then every code given the others. The error
 * never grows; where nothing changes the rounds end.
 */
export function descend(panel: Panel, hessian: Hessian, rounds: number): void {
  const gradient = gradientOf(panel, hessian);
  for (let round = 0; round < rounds; round++) {
    for (const segment of panel.grids.segments) {
      for (let block = 0; block < segment.blocks; block++) descendBlock(panel, hessian, gradient, segment, block);
    }
    if (!descendCodes(panel, hessian, gradient)) return;
  }
}
