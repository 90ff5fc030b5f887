/** Pairs (i, i + headDim / 2) of each head turn by the table's angle i, four at a time (src/backends/reference/rope.ts). */
export function rope_f32_simd128(x: usize, xStride: i32, tokens: i32, heads: i32, headDim: i32, table: usize): void {
  const half = <usize>headDim << 1;
  for (let t = 0; t < tokens; t++, x += <usize>xStride << 2, table += half << 1) {
    for (let head = 0, row = x; head < heads; head++, row += half) {
      for (let i: usize = 0; i < half; i += 16, row += 16) {
        const a = v128.load(row), b = v128.load(row + half), cos = v128.load(table + i), sin = v128.load(table + half + i);
        v128.store(row, f32x4.sub(f32x4.mul(a, cos), f32x4.mul(b, sin)));
        v128.store(row + half, f32x4.add(f32x4.mul(b, cos), f32x4.mul(a, sin)));
      }
    }
  }
}
