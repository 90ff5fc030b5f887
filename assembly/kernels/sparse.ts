import { f16ToF32 } from '../lib/f16';

/*
 * out[t][row] += sum over the row's entries, ascending, of x[t][channel] * value (src/backends/reference/sparse.ts). An entry is decoded once for 4 tokens;
 * a channel of several tokens lies too far apart for vectors.
 */

@inline function term(acc: f32, x: usize, entry: u32): f32 { return acc + load<f32>(x + (<usize>(entry & 0xffff) << 2)) * f16ToF32(entry >> 16); }

@inline function finish(out: usize, acc: f32): void { store<f32>(out, load<f32>(out) + acc); }

export function sparse_f32_f16_f32_simd128(
  starts: usize, entries: usize, x: usize, xStride: i32, out: usize, outStride: i32, tokens: i32, firstRow: i32, lastRow: i32,
): void {
  const xs = <usize>xStride << 2, os = <usize>outStride << 2;
  for (let row = <usize>firstRow; row < <usize>lastRow; row++) {
    const at = starts + (row << 2), from = entries + (<usize>load<u32>(at) << 2), to = entries + (<usize>load<u32>(at, 4) << 2);
    let p = x, o = out + (row << 2), t = 0;
    for (; t + 4 <= tokens; t += 4, p += xs << 2, o += os << 2) {
      let a: f32 = 0, b: f32 = 0, c: f32 = 0, d: f32 = 0;
      for (let e = from; e < to; e += 4) {
        const entry = load<u32>(e);
        a = term(a, p, entry); b = term(b, p + xs, entry); c = term(c, p + 2 * xs, entry); d = term(d, p + 3 * xs, entry);
      }
      finish(o, a); finish(o + os, b); finish(o + 2 * os, c); finish(o + 3 * os, d);
    }
    for (; t < tokens; t++, p += xs, o += os) {
      let a: f32 = 0;
      for (let e = from; e < to; e += 4) a = term(a, p, load<u32>(e));
      finish(o, a);
    }
  }
}
