/** `rows` rows inside a flat array: row r starts at `at + r * stride`. */
export interface Rows {
  readonly data: Float64Array;
  readonly at: number;
  readonly stride: number;
}

/**
 * out[r, from..to) += sum over i < count of factors[r, i] * matrix[i, from..to), for r < rows.
 * Tiles of two rows by four products: a product costs less than one load. Products are added in fours, whatever tile a row falls into.
 */
export function addProducts(out: Rows, factors: Rows, rows: number, matrix: Rows, count: number, from: number, to: number): void {
  const [o, f, m] = [out.data, factors.data, matrix.data];
  for (let i = 0; i < count; i += 4) {
    const left = count - i;
    const u0 = matrix.at + i * matrix.stride;
    const u1 = left > 1 ? u0 + matrix.stride : u0;
    const u2 = left > 2 ? u1 + matrix.stride : u0;
    const u3 = left > 3 ? u2 + matrix.stride : u0;
    let r = 0;
    for (; r + 1 < rows; r += 2) {
      const a = factors.at + r * factors.stride + i;
      const b = a + factors.stride;
      const a0 = f[a]!;
      const a1 = left > 1 ? f[a + 1]! : 0;
      const a2 = left > 2 ? f[a + 2]! : 0;
      const a3 = left > 3 ? f[a + 3]! : 0;
      const b0 = f[b]!;
      const b1 = left > 1 ? f[b + 1]! : 0;
      const b2 = left > 2 ? f[b + 2]! : 0;
      const b3 = left > 3 ? f[b + 3]! : 0;
      const x = out.at + r * out.stride;
      const y = x + out.stride;
      for (let k = from; k < to; k++) {
        const m0 = m[u0 + k]!;
        const m1 = m[u1 + k]!;
        const m2 = m[u2 + k]!;
        const m3 = m[u3 + k]!;
        o[x + k] = o[x + k]! + (a0 * m0 + a1 * m1 + (a2 * m2 + a3 * m3));
        o[y + k] = o[y + k]! + (b0 * m0 + b1 * m1 + (b2 * m2 + b3 * m3));
      }
    }
    if (r < rows) {
      const a = factors.at + r * factors.stride + i;
      const a0 = f[a]!;
      const a1 = left > 1 ? f[a + 1]! : 0;
      const a2 = left > 2 ? f[a + 2]! : 0;
      const a3 = left > 3 ? f[a + 3]! : 0;
      const x = out.at + r * out.stride;
      for (let k = from; k < to; k++) o[x + k] = o[x + k]! + (a0 * m[u0 + k]! + a1 * m[u1 + k]! + (a2 * m[u2 + k]! + a3 * m[u3 + k]!));
    }
  }
}
