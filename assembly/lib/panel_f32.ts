/*
 * out[t][row] = (residual ? out[t][row] : 0) + sum over k, ascending, of x[t][k] * w[k][row] for one panel w [K][16], multiply and add rounded separately.
 * 8 rows by 4 tokens, then one token by 16 rows. Addresses and strides count bytes.
 */

@inline function step(acc: v128, w: v128, x: usize): v128 { return f32x4.add(acc, f32x4.mul(v128.load32_splat(x), w)); }

@inline function finish(acc: v128, out: usize, residual: i32): void { v128.store(out, residual ? f32x4.add(v128.load(out), acc) : acc); }

/** `bytes`: of the channels in a row of x. */
export function multiplyPanel(weights: usize, bytes: usize, x: usize, xStride: usize, out: usize, outStride: usize, tokens: i32, residual: i32): void {
  const none = f32x4.splat(0);
  let t = 0;
  for (; t + 4 <= tokens; t += 4, x += xStride << 2, out += outStride << 2) {
    for (let half: usize = 0; half < 64; half += 32) {
      let c0 = none, c1 = none, c2 = none, c3 = none, d0 = none, d1 = none, d2 = none, d3 = none;
      for (let p = x, end = x + bytes, w = weights + half; p < end; p += 4, w += 64) {
        const u = v128.load(w), v = v128.load(w, 16);
        c0 = step(c0, u, p); c1 = step(c1, u, p + xStride); c2 = step(c2, u, p + 2 * xStride); c3 = step(c3, u, p + 3 * xStride);
        d0 = step(d0, v, p); d1 = step(d1, v, p + xStride); d2 = step(d2, v, p + 2 * xStride); d3 = step(d3, v, p + 3 * xStride);
      }
      const to = out + half;
      finish(c0, to, residual); finish(c1, to + outStride, residual); finish(c2, to + 2 * outStride, residual); finish(c3, to + 3 * outStride, residual);
      finish(d0, to + 16, residual); finish(d1, to + outStride + 16, residual);
      finish(d2, to + 2 * outStride + 16, residual); finish(d3, to + 3 * outStride + 16, residual);
    }
  }
  for (; t < tokens; t++, x += xStride, out += outStride) {
    let c0 = none, c1 = none, c2 = none, c3 = none;
    for (let p = x, end = x + bytes, w = weights; p < end; p += 4, w += 64) {
      c0 = step(c0, v128.load(w), p); c1 = step(c1, v128.load(w, 16), p); c2 = step(c2, v128.load(w, 32), p); c3 = step(c3, v128.load(w, 48), p);
    }
    finish(c0, out, residual); finish(c1, out + 16, residual); finish(c2, out + 32, residual); finish(c3, out + 48, residual);
  }
}
