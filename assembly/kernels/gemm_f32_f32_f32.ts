/*
 * out[t][row] = (residual ? out[t][row] : 0) + sum over k, ascending, of x[t][k] * w[k][row]; panels [K][16], multiply and add rounded separately
 * (src/backends/reference/gemm-f32.ts). 8 rows by 4 tokens, then one token by 16 rows.
 */

@inline function step(acc: v128, w: v128, x: usize): v128 { return f32x4.add(acc, f32x4.mul(v128.load32_splat(x), w)); }

@inline function finish(acc: v128, out: usize, residual: i32): void { v128.store(out, residual ? f32x4.add(v128.load(out), acc) : acc); }

export function gemm_f32_f32_f32_simd128(
  weights: usize, length: i32, x: usize, xStride: i32,
  out: usize, outStride: i32, tokens: i32, firstPanel: i32, lastPanel: i32, residual: i32,
): void {
  const none = f32x4.splat(0);
  const xs = <usize>xStride << 2, os = <usize>outStride << 2, bytes = <usize>length << 2;
  for (let panel = firstPanel; panel < lastPanel; panel++) {
    const w0 = weights + <usize>panel * (bytes << 4);
    let o = out + (<usize>panel << 6), x0 = x, t = 0;
    for (; t + 4 <= tokens; t += 4, x0 += xs << 2, o += os << 2) {
      for (let half: usize = 0; half < 64; half += 32) {
        let c0 = none, c1 = none, c2 = none, c3 = none, d0 = none, d1 = none, d2 = none, d3 = none;
        for (let p = x0, end = x0 + bytes, w = w0 + half; p < end; p += 4, w += 64) {
          const u = v128.load(w), v = v128.load(w, 16);
          c0 = step(c0, u, p); c1 = step(c1, u, p + xs); c2 = step(c2, u, p + 2 * xs); c3 = step(c3, u, p + 3 * xs);
          d0 = step(d0, v, p); d1 = step(d1, v, p + xs); d2 = step(d2, v, p + 2 * xs); d3 = step(d3, v, p + 3 * xs);
        }
        const to = o + half;
        finish(c0, to, residual); finish(c1, to + os, residual); finish(c2, to + 2 * os, residual); finish(c3, to + 3 * os, residual);
        finish(d0, to + 16, residual); finish(d1, to + os + 16, residual);
        finish(d2, to + 2 * os + 16, residual); finish(d3, to + 3 * os + 16, residual);
      }
    }
    for (; t < tokens; t++, x0 += xs, o += os) {
      let c0 = none, c1 = none, c2 = none, c3 = none;
      for (let p = x0, end = x0 + bytes, w = w0; p < end; p += 4, w += 64) {
        c0 = step(c0, v128.load(w), p); c1 = step(c1, v128.load(w, 16), p); c2 = step(c2, v128.load(w, 32), p); c3 = step(c3, v128.load(w, 48), p);
      }
      finish(c0, o, residual); finish(c1, o + 16, residual); finish(c2, o + 32, residual); finish(c3, o + 48, residual);
    }
  }
}
