import { PAGE } from '../../src/formats/descriptor';
import { exp, exp4 } from '../lib/exp';
import { horizontalMax, horizontalSum } from '../lib/reduce';

// What attention over pages of any form shares. Queries go in blocks of 1 to 4 rows of [tokens][group][headDim].

/** Rows of a block, of which the type parameter R is the number less one: N0, N4, N8 or N12. */
@inline export function rowsOf<R>(): i32 { return <i32>(offsetof<R>() / 4) + 1; }

/** Address of row `row` of the queries: heads consecutive in a token's row, which are `qStride` f32 apart. */
@inline export function queryAt(q: usize, qStride: i32, group: i32, headDim: i32, row: i32): usize {
  return q + (<usize>((row / group) * qStride + (row % group) * headDim) << 2);
}

/** out = out * decay + x, or x where `fresh`. */
@inline export function advance(out: usize, x: v128, decay: v128, fresh: bool): void {
  v128.store(out, fresh ? x : f32x4.add(f32x4.mul(v128.load(out), decay), x));
}

/** Scores to weights in place and the state onward: `onlineSoftmax` of src/backends/reference/online-softmax.ts, for a positive scale. */
export function softmax(scores: usize, count: i32, scale: f32, state: usize, fresh: bool): f32 {
  const end = scores + (<usize>count << 2), factor = f32x4.splat(scale);
  for (let p = end; p & 12; p += 4) store<f32>(p, f32.NEGATIVE_INFINITY);
  const before = fresh ? f32.NEGATIVE_INFINITY : load<f32>(state);
  let peaks = f32x4.splat(before);
  for (let p = scores; p < end; p += 16) {
    const s = f32x4.mul(v128.load(p), factor);
    v128.store(p, s);
    peaks = f32x4.pmax(peaks, s);
  }
  const peak = horizontalMax(peaks), shift = f32x4.splat(peak);
  let sums = f32x4.splat(0), p = scores;
  for (; p < end; p += 16) {
    const e = exp4(f32x4.sub(v128.load(p), shift));
    v128.store(p, e);
    sums = f32x4.add(sums, e);
  }
  for (const last = scores + 4 * PAGE; p < last; p += 16) v128.store(p, f32x4.splat(0));
  const decay = exp(before - peak);
  store<f32>(state, peak);
  store<f32>(state, (fresh ? 0 : load<f32>(state, 4)) * decay + horizontalSum(sums), 4);
  return decay;
}
