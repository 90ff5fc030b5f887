import { describe, expect, it } from 'vitest';
import { hadamard, rotateRows, transposed, type Hadamard } from '../../src/core/hadamard.ts';
import { Random } from '../../src/core/random.ts';

/** Entry (i, j) of the whole matrix: M's times the sign of Sylvester's, the parity of the bits that both indices have. */
function entry({ width, order, matrix }: Hadamard, i: number, j: number): number {
  const run = width / order;
  let parity = 0;
  for (let bits = (i % run) & (j % run); bits > 0; bits >>= 1) parity ^= bits & 1;
  return matrix[Math.floor(i / run) * order + Math.floor(j / run)]! * (parity ? -1 : 1);
}

const of = (width: number): Hadamard => {
  const found = hadamard(width);
  if (!found) throw new Error(`no matrix of ${width}`);
  return found;
};

describe('hadamard()', () => {
  const orders = [[1, 1], [2, 1], [64, 1], [2048, 1], [12, 12], [20, 20], [28, 28], [36, 36], [60, 60], [96, 12], [576, 36], [1536, 12], [960, 60]] as const;

  it.each(orders)('width %d has order %d: signs with orthogonal rows', (width, order) => {
    const found = of(width);
    expect(found.order).toBe(order);
    const size = found.order;
    const signs = [...found.matrix].map((value) => value * Math.sqrt(width));
    for (const sign of signs) expect(Math.abs(Math.abs(sign) - 1)).toBeLessThan(1e-6);
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < size; j++) {
        let dot = 0;
        for (let k = 0; k < size; k++) dot += Math.sign(signs[i * size + k]!) * Math.sign(signs[j * size + k]!);
        expect(dot).toBe(i === j ? size : 0);
      }
    }
  });

  it('knows no matrix of a width that is not a multiple of 4, nor of one whose smallest factor is of no known construction', () => {
    expect([0, 3, 6, 7, 18, 36 * 7 + 2, 92, 4 * 257].map((width) => hadamard(width))).toEqual(Array(8).fill(null));
  });
});

describe('rotateRows()', () => {
  it.each([1, 2, 12, 64, 96, 72, 576])('equals a product with the whole matrix: width %d', (width) => {
    const found = of(width);
    const random = Random.seeded(width);
    const values = Float64Array.from({ length: 3 * width }, () => random.next() - 0.5);
    const expected = values.map((_, at) => {
      let sum = 0;
      for (let j = 0; j < width; j++) sum += entry(found, at % width, j) * values[at - (at % width) + j]!;
      return sum;
    });
    const got = values.slice();
    rotateRows(got, 3, found);
    const error = Math.max(...got.map((value, i) => Math.abs(value - expected[i]!)));
    expect(error).toBeLessThan(1e-12 * width);
  });

  it.each([12, 96, 576, 1536, 2048])('keeps lengths, and is undone by the transposed matrix: width %d', (width) => {
    const found = of(width);
    const random = Random.seeded(width);
    const values = Float64Array.from({ length: 2 * width }, () => random.next() - 0.5);
    const got = values.slice();
    const length = (row: Float64Array): number => Math.hypot(...row);
    rotateRows(got, 2, found);
    expect(Math.abs(length(got) / length(values) - 1)).toBeLessThan(1e-6);
    rotateRows(got, 2, transposed(found));
    expect(Math.max(...got.map((value, i) => Math.abs(value - values[i]!)))).toBeLessThan(1e-6);
  });
});
