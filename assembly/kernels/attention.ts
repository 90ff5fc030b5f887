import { PAGE } from '../../src/formats/descriptor';
import { exp, exp4 } from '../lib/exp';
import { horizontalMax, horizontalSum } from '../lib/reduce';

/*
 * One page of online softmax per query (formulas and order of every sum: src/backends/reference/attention.ts). Both products are the same loop,
 * a sum of weighted rows in ascending order: scores add q[c] * keys[c][...] with tokens in lanes, outputs p[t] * values[t][...] with channels in
 * lanes. 8 vectors of a row stay in registers; with 16 registers there is no room for more.
 */

@inline function step(acc: v128, w: v128, x: v128): v128 { return f32x4.add(acc, f32x4.mul(w, x)); }

@inline function finish(out: usize, acc: v128, decay: f32, fresh: bool): void {
  v128.store(out, fresh ? acc : f32x4.add(f32x4.mul(v128.load(out), f32x4.splat(decay)), acc));
}

/** out[i] = (fresh ? 0 : out[i] * decay) + sum over `rows` rows r of weights[r] * matrix[r][i], for `bytes` / 4 lanes (a multiple of 8). */
function weightedRows(weights: usize, rows: i32, matrix: usize, stride: usize, bytes: usize, out: usize, decay: f32, fresh: bool): void {
  const none = f32x4.splat(0), last = weights + (<usize>rows << 2);
  let i: usize = 0;
  for (; i + 128 <= bytes; i += 128) {
    let a = none, b = none, c = none, d = none, e = none, f = none, g = none, h = none;
    for (let p = weights, m = matrix + i; p < last; p += 4, m += stride) {
      const w = v128.load32_splat(p);
      a = step(a, w, v128.load(m)); b = step(b, w, v128.load(m, 16)); c = step(c, w, v128.load(m, 32)); d = step(d, w, v128.load(m, 48));
      e = step(e, w, v128.load(m, 64)); f = step(f, w, v128.load(m, 80)); g = step(g, w, v128.load(m, 96)); h = step(h, w, v128.load(m, 112));
    }
    const to = out + i;
    finish(to, a, decay, fresh); finish(to + 16, b, decay, fresh); finish(to + 32, c, decay, fresh); finish(to + 48, d, decay, fresh);
    finish(to + 64, e, decay, fresh); finish(to + 80, f, decay, fresh); finish(to + 96, g, decay, fresh); finish(to + 112, h, decay, fresh);
  }
  for (; i < bytes; i += 32) {
    let a = none, b = none;
    for (let p = weights, m = matrix + i; p < last; p += 4, m += stride) {
      const w = v128.load32_splat(p);
      a = step(a, w, v128.load(m)); b = step(b, w, v128.load(m, 16));
    }
    finish(out + i, a, decay, fresh); finish(out + i + 16, b, decay, fresh);
  }
}

/** Scores to weights e^(s - m) in place, for a positive scale. Updates the query's state and returns e^(previous maximum - m). */
function softmax(scores: usize, count: i32, scale: f32, state: usize, fresh: bool): f32 {
  const end = scores + (<usize>count << 2), factor = f32x4.splat(scale);
  for (let p = end; p & 12; p += 4) store<f32>(p, f32.NEGATIVE_INFINITY);
  const before = fresh ? f32.NEGATIVE_INFINITY : load<f32>(state);
  let peaks = f32x4.splat(before);
  for (let p = scores; p < end; p += 16) {
    const s = f32x4.mul(v128.load(p), factor);
    v128.store(p, s);
    peaks = f32x4.max(peaks, s);
  }
  const peak = horizontalMax(peaks), shift = f32x4.splat(peak);
  let sums = f32x4.splat(0);
  for (let p = scores; p < end; p += 16) {
    const e = exp4(f32x4.sub(v128.load(p), shift));
    v128.store(p, e);
    sums = f32x4.add(sums, e);
  }
  const decay = exp(before - peak);
  store<f32>(state, peak);
  store<f32>(state, (fresh ? 0 : load<f32>(state, 4)) * decay + horizontalSum(sums), 4);
  return decay;
}

/** `scratch` is a multiple of 16. */
export function attention_page_f32_simd128(
  q: usize, qStride: i32, out: usize, outStride: i32, state: usize, tokens: i32, group: i32, headDim: i32,
  keys: usize, values: usize, visible: i32, causal: i32, fresh: i32, scale: f32, scratch: usize,
): void {
  const row = <usize>headDim << 2;
  for (let t = 0; t < tokens; t++, visible += causal, q += <usize>qStride << 2, out += <usize>outStride << 2) {
    const count = min(PAGE, visible);
    const lanes = <usize>((count + 31) & -32) << 2;
    for (let head = 0, from = q, to = out; head < group; head++, from += row, to += row, state += 8) {
      weightedRows(from, headDim, keys, 4 * PAGE, lanes, scratch, 0, true);
      const decay = softmax(scratch, count, scale, state, fresh != 0);
      weightedRows(scratch, count, values, row, row, to, decay, fresh != 0);
    }
  }
}

export function attention_finish_f32_simd128(out: usize, outStride: i32, state: usize, tokens: i32, group: i32, headDim: i32): void {
  const row = <usize>headDim << 2;
  for (let t = 0; t < tokens; t++, out += <usize>outStride << 2) {
    for (let head = 0, to = out; head < group; head++, state += 8) {
      const sum = f32x4.splat(load<f32>(state, 4));
      for (const end = to + row; to < end; to += 16) v128.store(to, f32x4.div(v128.load(to), sum));
    }
  }
}
