import { Random } from '../../core/random.ts';
import { addProducts } from './products.ts';
import { symmetricEigen } from './eigen.ts';

/** Rank-r factors of a matrix: up f64 [rows, rank], whose columns are orthonormal, times down f64 [rank, cols]. */
export interface Factors {
  readonly up: Float64Array;
  readonly down: Float64Array;
}

/** Rows whose sums stay in the first cache while all of b passes by. */
const ROWS = 32;

/** a [rows, inner] * b [inner, width]. */
function multiply(a: Float64Array, b: Float64Array, rows: number, inner: number, width: number): Float64Array {
  const out = new Float64Array(rows * width);
  const matrix = { data: b, at: 0, stride: width };
  for (let row = 0; row < rows; row += ROWS) {
    const factors = { data: a, at: row * inner, stride: inner };
    addProducts({ data: out, at: row * width, stride: width }, factors, Math.min(ROWS, rows - row), matrix, inner, 0, width);
  }
  return out;
}

function transpose(a: Float64Array, rows: number, cols: number): Float64Array {
  const out = new Float64Array(a.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < cols; c++) out[c * rows + r] = a[r * cols + c]!;
  return out;
}

/** Makes rows orthonormal, twice by modified Gram-Schmidt; rows that depend on those before become 0. */
function orthonormalise(rows: Float64Array, count: number, length: number): void {
  for (let i = 0; i < count; i++) {
    const own = rows.subarray(i * length, (i + 1) * length);
    let before = 0;
    for (let k = 0; k < length; k++) before += own[k]! * own[k]!;
    for (let pass = 0; pass < 2; pass++) {
      for (let j = 0; j < i; j++) {
        const other = rows.subarray(j * length, (j + 1) * length);
        let dot = 0;
        for (let k = 0; k < length; k++) dot += own[k]! * other[k]!;
        for (let k = 0; k < length; k++) own[k] = own[k]! - dot * other[k]!;
      }
    }
    let after = 0;
    for (let k = 0; k < length; k++) after += own[k]! * own[k]!;
    const scale = after > 1e-24 * before ? 1 / Math.sqrt(after) : 0;
    for (let k = 0; k < length; k++) own[k] = own[k]! * scale;
  }
}

/** Directions beside those asked for: they speed up convergence, which goes with the ratio of the singular values at the two ranks. */
const spare = (rank: number): number => Math.max(8, rank >> 1);

/**
 * The best rank-r approximation of values [rows, cols] by subspace iteration (Halko, Martinsson, Tropp, Finding structure with randomness, 2011) from
 * a fixed seed, and only by arithmetic and square roots: the same on every engine.
 */
export class Subspace {
  readonly rank: number;
  readonly #rows: number;
  readonly #cols: number;
  readonly #width: number;
  /** f64 [width, cols], orthonormal rows: where the next approximation starts. */
  #basis: Float64Array;

  constructor(rows: number, cols: number, rank: number) {
    const random = Random.seeded(1);
    this.#rows = rows;
    this.#cols = cols;
    this.#width = Math.min(rows, cols, rank + spare(rank));
    this.rank = Math.min(rank, this.#width);
    this.#basis = Float64Array.from({ length: this.#width * cols }, () => random.next() - 0.5);
    orthonormalise(this.#basis, this.#width, cols);
  }

  /** Factors of values f64 [rows, cols] after `steps` steps, at least one, from where the last call ended. */
  approximate(values: Float64Array, steps: number): Factors {
    const [rows, cols, width] = [this.#rows, this.#cols, this.#width];
    const transposed = transpose(values, rows, cols);
    let left: Float64Array = new Float64Array(0); // [width, rows], orthonormal: the images of the basis
    let right: Float64Array = left; // [width, cols]: values^T left
    for (let step = 0; step < steps; step++) {
      left = transpose(multiply(values, transpose(this.#basis, width, cols), rows, cols, width), rows, width);
      orthonormalise(left, width, rows);
      right = transpose(multiply(transposed, transpose(left, width, rows), cols, rows, width), cols, width);
      this.#basis = right.slice();
      orthonormalise(this.#basis, width, cols);
    }
    const vectors = symmetricEigen(multiply(right, transpose(right, width, cols), width, cols, width), width);
    const chosen = vectors.subarray(0, this.rank * width);
    const up = multiply(chosen, left, this.rank, width, rows);
    return { up: transpose(up, this.rank, rows), down: multiply(chosen, right, this.rank, width, cols) };
  }
}
