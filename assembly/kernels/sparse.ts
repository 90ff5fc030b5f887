import { f16ToF32 } from '../lib/f16';

/*
 * out[t][row] += sum over the row's entries, ascending, of x[t][channel] * value (src/backends/reference/sparse.ts). All rows of 4 tokens, whose x stays in the
 * first cache, then the next 4; a channel of several tokens lies too far apart for vectors.
 */

@inline function term(acc: f32, x: usize, entry: u32): f32 { return acc + load<f32>(x + (<usize>(entry & 0xffff) << 2)) * f16ToF32(entry >> 16); }

@inline function finish(out: usize, acc: f32): void { store<f32>(out, load<f32>(out) + acc); }

export function sparse_f32_f16_f32_simd128(
  starts: usize, entries: usize, x: usize, xStride: i32, out: usize, outStride: i32, tokens: i32, firstRow: i32, lastRow: i32,
): void {
  const xs = <usize>xStride << 2, os = <usize>outStride << 2, first = entries + (<usize>load<u32>(starts + (<usize>firstRow << 2)) << 2);
  starts += <usize>(firstRow + 1) << 2;
  out += <usize>firstRow << 2;
  const rows = <usize>(lastRow - firstRow) << 2;
  let t = 0;
  for (; t + 4 <= tokens; t += 4, x += xs << 2, out += os << 2) {
    let e = first;
    for (let row: usize = 0; row < rows; row += 4) {
      const to = entries + (<usize>load<u32>(starts + row) << 2), o = out + row;
      let a: f32 = 0, b: f32 = 0, c: f32 = 0, d: f32 = 0;
      for (; e < to; e += 4) {
        const entry = load<u32>(e);
        a = term(a, x, entry); b = term(b, x + xs, entry); c = term(c, x + 2 * xs, entry); d = term(d, x + 3 * xs, entry);
      }
      finish(o, a); finish(o + os, b); finish(o + 2 * os, c); finish(o + 3 * os, d);
    }
  }
  for (; t < tokens; t++, x += xs, out += os) {
    let e = first;
    for (let row: usize = 0; row < rows; row += 4) {
      const to = entries + (<usize>load<u32>(starts + row) << 2);
      let a: f32 = 0;
      for (; e < to; e += 4) a = term(a, x, load<u32>(e));
      finish(out + row, a);
    }
  }
}
