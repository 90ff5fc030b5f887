import { PAGE } from '../../src/formats/descriptor';
import { EXP_CONSTANTS, expNegative4, writeExpConstants } from '../lib/exp';
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

/** Bytes of the constants in front of a kernel's scratch. */
export const CONSTANTS: usize = EXP_CONSTANTS + 4 * 16;

/** Constants of attention on codes: engines build a constant vector anew at each use, a load is cheaper. */
@inline export function round(scratch: usize): v128 { return v128.load(scratch, 16); }
@inline export function nibbles(scratch: usize): v128 { return v128.load(scratch, 208); }
@inline export function rebias(scratch: usize): v128 { return v128.load(scratch, 224); }
@inline export function halfBits(scratch: usize): v128 { return v128.load(scratch, 240); }
@inline export function magnitudeBits(scratch: usize): v128 { return v128.load(scratch, 256); }

export function writeConstants(scratch: usize): void {
  writeExpConstants(scratch);
  v128.store(scratch, i8x16.splat(15), 208);
  v128.store(scratch, f32x4.splat(5.192296858534828e33), 224);
  v128.store(scratch, i32x4.splat(0x8fffe000), 240);
  v128.store(scratch, i32x4.splat(0x7fffffff), 256);
}

/** Scores to weights in place and the state onward: `onlineSoftmax` of src/backends/reference/online-softmax.ts, for a positive scale. */
export function softmax(scores: usize, count: i32, scale: f32, state: usize, fresh: bool, constants: usize): f32 {
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
    const e = expNegative4(f32x4.sub(v128.load(p), shift), constants);
    v128.store(p, e);
    sums = f32x4.add(sums, e);
  }
  for (const last = scores + 4 * PAGE; p < last; p += 16) v128.store(p, f32x4.splat(0));
  const decay = f32x4.extract_lane(expNegative4(f32x4.splat(before - peak), constants), 0);
  store<f32>(state, peak);
  store<f32>(state, (fresh ? 0 : load<f32>(state, 4)) * decay + horizontalSum(sums), 4);
  return decay;
}
