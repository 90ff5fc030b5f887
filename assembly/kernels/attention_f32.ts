import { PAGE } from '../../src/formats/descriptor';
import { N0 } from '../lib/literal';
import { CONSTANTS, closeState, decays, hide, openState, queryAt, softmax, softmaxScale, writeConstants } from './attention_rows';

/*
 * Attention over f32 pages (formulas and order of every sum: src/backends/reference/attention.ts). Both products are the same loop, a sum of
 * weighted rows in ascending order: scores add q[c] * keys[c][...] with tokens in lanes, outputs p[t] * values[t][...] with channels in lanes.
 * 8 vectors of a row stay in registers; with 16 registers there is no room for more.
 */

/** out = out * decay + x, or 0 + x where `fresh`. */
@inline function advance(out: usize, x: v128, decay: v128, fresh: bool): void {
  v128.store(out, f32x4.add(fresh ? f32x4.splat(0) : f32x4.mul(v128.load(out), decay), x));
}

@inline function step(acc: v128, w: v128, x: v128): v128 { return f32x4.add(acc, f32x4.mul(w, x)); }

/** out[i] = (fresh ? 0 : out[i] * decay) + sum over `rows` rows r of weights[r] * matrix[r][i], for `bytes` / 4 lanes (a multiple of 8). */
function weightedRows(weights: usize, rows: i32, matrix: usize, stride: usize, bytes: usize, out: usize, factor: f32, fresh: bool): void {
  const none = f32x4.splat(0), decay = f32x4.splat(factor), last = weights + (<usize>rows << 2);
  let i: usize = 0;
  for (; i + 128 <= bytes; i += 128) {
    let a = none, b = none, c = none, d = none, e = none, f = none, g = none, h = none;
    for (let p = weights, m = matrix + i; p < last; p += 4, m += stride) {
      const w = v128.load32_splat(p);
      a = step(a, w, v128.load(m)); b = step(b, w, v128.load(m, 16)); c = step(c, w, v128.load(m, 32)); d = step(d, w, v128.load(m, 48));
      e = step(e, w, v128.load(m, 64)); f = step(f, w, v128.load(m, 80)); g = step(g, w, v128.load(m, 96)); h = step(h, w, v128.load(m, 112));
    }
    const to = out + i;
    advance(to, a, decay, fresh); advance(to + 16, b, decay, fresh); advance(to + 32, c, decay, fresh); advance(to + 48, d, decay, fresh);
    advance(to + 64, e, decay, fresh); advance(to + 80, f, decay, fresh); advance(to + 96, g, decay, fresh); advance(to + 112, h, decay, fresh);
  }
  for (; i < bytes; i += 32) {
    let a = none, b = none;
    for (let p = weights, m = matrix + i; p < last; p += 4, m += stride) {
      const w = v128.load32_splat(p);
      a = step(a, w, v128.load(m)); b = step(b, w, v128.load(m, 16));
    }
    advance(out + i, a, decay, fresh); advance(out + i + 16, b, decay, fresh);
  }
}

/** `scratch` is a multiple of 16. */
export function attention_f32_f32_f32_simd128(
  q: usize, qStride: i32, tokens: i32, group: i32, headDim: i32, scale: f32,
  page: usize, pages: i32, pageBytes: i32, visible: i32, out: usize, state: usize, fresh: i32, scratch: usize,
): void {
  const bytes = <usize>headDim << 2, scores = scratch + CONSTANTS, factor = f32x4.splat(softmaxScale(scale));
  writeConstants(scratch);
  for (let row = 0; row < tokens * group; row++, out += bytes, state += 8) {
    const from = queryAt(q, qStride, group, headDim, row);
    openState(state, 1, fresh != 0, scratch);
    for (let p = 0; p < pages; p++) {
      const keys = page + <usize>(p * pageBytes), count = min(PAGE, visible + row / group - p * PAGE), vectors = (count + 3) >> 2;
      weightedRows(from, headDim, keys, 4 * PAGE, <usize>((count + 31) & -32) << 2, scores, 0, true);
      for (let s = scores, end = scores + (<usize>vectors << 4); s < end; s += 16) v128.store(s, f32x4.mul(v128.load(s), factor));
      hide(scores, 16, count, 4 * vectors);
      softmax<N0>(scores, vectors, scratch);
      weightedRows(scores, count, keys + bytes * PAGE, bytes, bytes, out, load<f32>(decays(scratch)), fresh != 0 && p == 0);
    }
    closeState(state, 1, scratch);
  }
}
