import {
  SEGMENT_BYTES, SEG_ACT_BITS, SEG_ACT_BLOCK, SEG_CLIP, SEG_FIRST_BLOCK, SEG_FROM, SEG_LENGTH, SEG_WEIGHT_BLOCK,
} from '../../src/formats/descriptor';
import { horizontalMax } from './reduce';

/** 1.5 * 2^23: added to a number below 2^22, it rounds it to an integer, ties to even, and leaves that in the low bits. */
const ROUND: f32 = 12582912;

/** Codes of 4 channels in i32 lanes: clamp(round(x * inverse), -limit, limit). */
@inline function code4(x: v128, inverse: v128, limit: v128, low: v128, round: v128): v128 {
  return i32x4.sub(f32x4.add(f32x4.pmax(f32x4.pmin(f32x4.mul(x, inverse), limit), low), round), round);
}

/** Quantises `channels` (a multiple of 16) of x to i8 codes; the sum of the codes. */
@inline function quantiseBlock(x: usize, codes: usize, channels: i32, inverse: v128, limit: v128, low: v128, round: v128): i32 {
  let total = i16x8.splat(0); // lanes of at most 16 codes
  for (let end = codes + <usize>channels; codes < end; codes += 16, x += 64) {
    const a = i16x8.narrow_i32x4_s(code4(v128.load(x), inverse, limit, low, round), code4(v128.load(x, 16), inverse, limit, low, round));
    const b = i16x8.narrow_i32x4_s(code4(v128.load(x, 32), inverse, limit, low, round), code4(v128.load(x, 48), inverse, limit, low, round));
    v128.store(codes, i8x16.narrow_i16x8_s(a, b));
    total = i16x8.add(total, i16x8.add(a, b));
  }
  const sums = i32x4.extadd_pairwise_i16x8_s(total);
  return i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1) + i32x4.extract_lane(sums, 2) + i32x4.extract_lane(sums, 3);
}

/** Largest magnitude of `channels` (a multiple of 16) values; NaN if one is NaN. Magnitudes order as integers, and so do NaNs above them. */
@inline function absmax(x: usize, channels: i32): f32 {
  let a = i32x4.splat(0), b = a;
  for (let end = x + (<usize>channels << 2); x < end; x += 64) {
    a = i32x4.max_s(i32x4.max_s(a, f32x4.abs(v128.load(x))), f32x4.abs(v128.load(x, 16)));
    b = i32x4.max_s(i32x4.max_s(b, f32x4.abs(v128.load(x, 32))), f32x4.abs(v128.load(x, 48)));
  }
  return horizontalMax(i32x4.max_s(a, b));
}

/** src/backends/reference/quantise-row.ts; the row is zero up to a multiple of 16 channels. */
export function quantiseRow(values: usize, segments: usize, count: i32, codes: usize, scales: usize, sums: usize): void {
  for (let s = segments, last = segments + <usize>(count * SEGMENT_BYTES); s < last; s += SEGMENT_BYTES) {
    const length = load<i32>(s, SEG_LENGTH), actBlock = load<i32>(s, SEG_ACT_BLOCK), weightBlock = load<i32>(s, SEG_WEIGHT_BLOCK);
    const limit: f32 = load<i32>(s, SEG_ACT_BITS) == 4 ? 7 : 127, clip = load<f32>(s, SEG_CLIP);
    const high = f32x4.splat(limit), low = f32x4.splat(-limit), round = f32x4.splat(ROUND + <f32>(length >>> 31)); // opaque: see lib/silu.ts
    const base = <usize>load<u32>(s, SEG_FROM);
    let block = <usize>load<u32>(s, SEG_FIRST_BLOCK) << 2;
    for (let from = 0; from < length; from += actBlock) {
      const to = min(length, from + actBlock);
      const range = absmax(values + ((base + <usize>from) << 2), (to - from + 15) & -16) * clip;
      const finite = range > 0 && range < f32.POSITIVE_INFINITY; // otherwise all codes are 0
      const inverse = f32x4.splat(limit / range);
      for (let start = from; start < to; start += weightBlock, block += 4) {
        const at = base + <usize>start;
        const channels = (min(weightBlock, to - start) + 15) & -16;
        store<f32>(scales + block, range / limit);
        if (finite) {
          store<i32>(sums + block, quantiseBlock(values + (at << 2), codes + at, channels, inverse, high, low, round));
        } else {
          memory.fill(codes + at, 0, <usize>channels);
          store<i32>(sums + block, 0);
        }
      }
    }
  }
}
