import { addProducts } from './products.ts';

/** Columns that are eliminated before the rest of the matrix is updated. */
const BLOCK = 32;
/** Rows that share one pass over the block's columns. */
const ROWS = 16;

/**
 * Factorises a symmetric positive definite matrix [size, size] in place: H = R R^T with R upper triangular, a Cholesky decomposition that starts at the
 * last row. Only the upper triangle is read; the lower one becomes 0. Returns false, with the matrix spoilt, where it is not positive definite.
 */
export function factorise(matrix: Float64Array, size: number): boolean {
  const transposed = new Float64Array(BLOCK * size); // columns of the block as rows
  for (let b = size; b > 0; b -= BLOCK) {
    const a = Math.max(0, b - BLOCK);
    for (let i = b - 1; i >= 0; i--) {
      const row = i * size;
      for (let j = b - 1; j >= Math.max(a, i); j--) {
        let rest = matrix[row + j]!;
        for (let k = j + 1; k < b; k++) rest -= matrix[row + k]! * matrix[j * size + k]!;
        if (i === j && !(rest > 0 && rest < Infinity)) return false;
        matrix[row + j] = i === j ? Math.sqrt(rest) : rest / matrix[j * size + j]!;
      }
      for (let j = a; j < b; j++) transposed[(j - a) * size + i] = -matrix[row + j]!;
    }
    for (let i = 0; i < a; i += ROWS) {
      const rows = Math.min(ROWS, a - i);
      const from = { data: matrix, at: i * size + a, stride: size };
      addProducts({ data: matrix, at: i * size, stride: size }, from, rows, { data: transposed, at: 0, stride: size }, b - a, i, a);
    }
  }
  for (let i = 1; i < size; i++) matrix.fill(0, i * size, i * size + i);
  return true;
}

/** Inverts an upper triangular matrix [size, size] in place, rows from the last: U_i = (e_i - sum over k > i of R_ik U_k) / R_ii. */
export function invertUpper(matrix: Float64Array, size: number): void {
  const factors = new Float64Array(ROWS * size);
  for (let b = size; b > 0; b -= ROWS) {
    const a = Math.max(0, b - ROWS);
    const rows = b - a;
    for (let i = a; i < b; i++) {
      for (let k = a; k < size; k++) factors[(i - a) * size + k] = -matrix[i * size + k]!;
      matrix.fill(0, i * size + b, (i + 1) * size);
    }
    for (let k = b; k < size; k += BLOCK) {
      const count = Math.min(BLOCK, size - k);
      const out = { data: matrix, at: a * size, stride: size };
      addProducts(out, { data: factors, at: k, stride: size }, rows, { data: matrix, at: k * size, stride: size }, count, k, size);
    }
    for (let i = b - 1; i >= a; i--) {
      const row = i * size;
      const own = (i - a) * size;
      matrix.fill(0, row + i, row + b);
      matrix[row + i] = 1;
      for (let k = i + 1; k < b; k++) {
        const factor = factors[own + k]!;
        for (let j = k; j < size; j++) matrix[row + j] = matrix[row + j]! + factor * matrix[k * size + j]!;
      }
      const scale = -1 / factors[own + i]!;
      for (let j = i; j < size; j++) matrix[row + j] = matrix[row + j]! * scale;
    }
  }
}
