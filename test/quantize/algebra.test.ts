import { describe, expect, it } from 'vitest';
import { symmetricEigen } from '../../src/quantize/algebra/eigen.ts';
import { factorise, invertUpper } from '../../src/quantize/algebra/factor.ts';
import { addProducts } from '../../src/quantize/algebra/products.ts';
import { Subspace } from '../../src/quantize/algebra/subspace.ts';
import { inverse } from '../support/inverse.ts';
import { secondMoment } from '../support/rounding.ts';
import { gaussian } from '../support/tiny-model.ts';

const SIZES = [1, 2, 15, 16, 17, 31, 32, 33, 64, 77, 130];

function positive(size: number, seed: number): Float64Array {
  const matrix = Float64Array.from(secondMoment(size, seed));
  for (let i = 0; i < size; i++) matrix[i * size + i]! += 0.1;
  return matrix;
}

const largestDifference = (a: Float64Array, b: Float64Array): number => a.reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), 0);

describe('factorise() and invertUpper()', () => {
  it.each(SIZES)('give U, upper triangular, with U^T U the inverse: size %i', (size) => {
    const matrix = positive(size, 3 + size);
    const wanted = inverse(matrix, size);
    const u = matrix.slice();
    expect(factorise(u, size)).toBe(true);
    invertUpper(u, size);
    const found = new Float64Array(size * size);
    for (let k = 0; k < size; k++) {
      for (let i = 0; i < k; i++) expect(u[k * size + i]).toBe(0);
      for (let i = k; i < size; i++) for (let j = k; j < size; j++) found[i * size + j]! += u[k * size + i]! * u[k * size + j]!;
    }
    expect(largestDifference(found, wanted)).toBeLessThan(1e-9 * Math.max(...wanted));
  });

  it('reads the upper triangle alone', () => {
    const [a, b] = [positive(40, 1), positive(40, 1)];
    for (let i = 0; i < 40; i++) for (let j = 0; j < i; j++) b[i * 40 + j] = NaN;
    factorise(a, 40);
    factorise(b, 40);
    expect(b).toEqual(a);
  });

  it.each([[0, 0], [39, 39], [5, 5]])('refuse a matrix that is not positive at (%i, %i)', (i, j) => {
    const matrix = positive(40, 2);
    matrix[i * 40 + j] = -1;
    expect(factorise(matrix, 40)).toBe(false);
    expect(factorise(new Float64Array(9).fill(1), 3)).toBe(false);
    expect(factorise(new Float64Array(9).fill(NaN), 3)).toBe(false);
  });
});

describe('addProducts()', () => {
  it.each([[1, 1], [1, 3], [2, 4], [3, 5], [5, 9]])('adds the products and leaves what lies around: %i rows, %i products', (rows, count) => {
    const next = gaussian(rows + count);
    const factors = Float64Array.from({ length: rows * 11 }, next);
    const matrix = Float64Array.from({ length: count * 20 }, next);
    const out = Float64Array.from({ length: rows * 20 + 3 }, next);
    const wanted = out.slice();
    for (let r = 0; r < rows; r++) for (let i = 0; i < count; i++) for (let k = 2; k < 17; k++) wanted[3 + r * 20 + k]! += factors[r * 11 + 1 + i]! * matrix[i * 20 + k]!;
    addProducts({ data: out, at: 3, stride: 20 }, { data: factors, at: 1, stride: 11 }, rows, { data: matrix, at: 0, stride: 20 }, count, 2, 17);
    expect(largestDifference(out, wanted)).toBeLessThan(1e-12);
    out.forEach((x, i) => { if ((i - 3) % 20 < 2 || (i - 3) % 20 >= 17) expect(x).toBe(wanted[i]); });
  });
});

describe('symmetricEigen()', () => {
  it.each([1, 2, 7, 40])('finds orthonormal directions that make the matrix diagonal, by descending value: size %i', (size) => {
    const matrix = positive(size, size);
    const vectors = symmetricEigen(matrix.slice(), size);
    const row = (i: number): Float64Array => vectors.subarray(i * size, (i + 1) * size);
    const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, x, k) => sum + x * b[k]!, 0);
    const image = (v: Float64Array): Float64Array => v.map((_, i) => dot(matrix.subarray(i * size, (i + 1) * size), v));
    const values = Array.from({ length: size }, (_, i) => dot(row(i), image(row(i))));
    for (let i = 0; i < size; i++) {
      for (let j = 0; j <= i; j++) {
        expect(dot(row(i), row(j))).toBeCloseTo(i === j ? 1 : 0, 12);
        if (j < i) expect(Math.abs(dot(row(i), image(row(j))))).toBeLessThan(1e-10 * values[0]!);
      }
      if (i > 0) expect(values[i]).toBeLessThanOrEqual(values[i - 1]!);
    }
  });
});

/** Singular values by one-sided Jacobi rotations of columns (Hestenes), descending. */
function singularValues(values: Float64Array, rows: number, cols: number): number[] {
  const columns = Array.from({ length: cols }, (_, c) => Array.from({ length: rows }, (__, r) => values[r * cols + c]!));
  const dot = (a: number[], b: number[]): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
  for (let sweep = 0; sweep < 60; sweep++) {
    for (let p = 0; p < cols; p++) {
      for (let q = p + 1; q < cols; q++) {
        const [a, b] = [columns[p]!, columns[q]!];
        const [aa, bb, ab] = [dot(a, a), dot(b, b), dot(a, b)];
        if (Math.abs(ab) <= 1e-15 * Math.sqrt(aa * bb)) continue;
        const theta = (bb - aa) / (2 * ab);
        const t = Math.sign(theta || 1) / (Math.abs(theta) + Math.sqrt(1 + theta * theta));
        const c = 1 / Math.sqrt(1 + t * t);
        columns[p] = a.map((x, i) => c * x - c * t * b[i]!);
        columns[q] = a.map((x, i) => c * t * x + c * b[i]!);
      }
    }
  }
  return columns.map((column) => Math.sqrt(dot(column, column))).sort((a, b) => b - a);
}

describe('Subspace', () => {
  it.each([[40, 24, 6], [24, 40, 6], [30, 30, 30], [5, 20, 8], [20, 20, 1]])('comes to the least possible error: [%i, %i], rank %i', (rows, cols, rank) => {
    const next = gaussian(rows * cols + rank);
    const values = Float64Array.from({ length: rows * cols }, next);
    const { up, down } = new Subspace(rows, cols, rank).approximate(values, 60);
    const used = Math.min(rank, rows, cols);
    let error = 0;
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < cols; c++) {
        let x = values[r * cols + c]!;
        for (let k = 0; k < used; k++) x -= up[r * used + k]! * down[k * cols + c]!;
        error += x * x;
      }
    }
    const least = singularValues(values, rows, cols).slice(used).reduce((sum, s) => sum + s * s, 0);
    expect(error).toBeLessThan(least * (1 + 1e-6) + 1e-18);
    expect(error).toBeGreaterThan(least * (1 - 1e-9) - 1e-18);
  });

  it('gives zeros for zeros', () => {
    const { up, down } = new Subspace(20, 12, 4).approximate(new Float64Array(240), 3);
    expect([...up, ...down].every(Number.isFinite)).toBe(true);
    expect(down.every((x) => x === 0)).toBe(true);
  });
});
