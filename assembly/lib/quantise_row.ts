import {
  SEGMENT_BYTES, SEG_ACT_BITS, SEG_ACT_BLOCK, SEG_CLIP, SEG_FIRST_BLOCK, SEG_FROM, SEG_LENGTH, SEG_WEIGHT_BLOCK,
} from '../../src/formats/descriptor';
import { horizontalMax } from './reduce';

/** Codes of 4 channels: clamp(round(x * inverse), -limit, limit). */
@inline function code4(x: usize, inverse: v128, limit: v128): v128 {
  const rounded = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x), inverse)));
  return i32x4.max_s(i32x4.min_s(rounded, limit), i32x4.neg(limit));
}

/** Quantises `channels` (a multiple of 16) of x to i8 codes; the sum of the codes. */
@inline function quantiseBlock(x: usize, codes: usize, channels: i32, inverse: v128, limit: v128): i32 {
  let total = i32x4.splat(0);
  for (let end = codes + <usize>channels; codes < end; codes += 16, x += 64) {
    const a = code4(x, inverse, limit), b = code4(x + 16, inverse, limit), c = code4(x + 32, inverse, limit), d = code4(x + 48, inverse, limit);
    v128.store(codes, i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d)));
    total = i32x4.add(total, i32x4.add(i32x4.add(a, b), i32x4.add(c, d)));
  }
  return i32x4.extract_lane(total, 0) + i32x4.extract_lane(total, 1) + i32x4.extract_lane(total, 2) + i32x4.extract_lane(total, 3);
}

/** Largest magnitude of `channels` (a multiple of 16) values; NaN if one is NaN. Magnitudes order as integers, and so do NaNs above them. */
@inline function absmax(x: usize, channels: i32): f32 {
  let peak = i32x4.splat(0);
  for (let end = x + (<usize>channels << 2); x < end; x += 16) peak = i32x4.max_s(peak, f32x4.abs(v128.load(x)));
  return horizontalMax(peak);
}

/** src/backends/reference/quantise-row.ts; the row is zero up to a multiple of 16 channels. */
export function quantiseRow(values: usize, segments: usize, count: i32, codes: usize, scales: usize, sums: usize): void {
  for (let s = segments, last = segments + <usize>(count * SEGMENT_BYTES); s < last; s += SEGMENT_BYTES) {
    const length = load<i32>(s, SEG_LENGTH), actBlock = load<i32>(s, SEG_ACT_BLOCK), weightBlock = load<i32>(s, SEG_WEIGHT_BLOCK);
    const limit: f32 = load<i32>(s, SEG_ACT_BITS) == 4 ? 7 : 127, clip = load<f32>(s, SEG_CLIP);
    const limits = i32x4.splat(<i32>limit);
    const base = <usize>load<u32>(s, SEG_FROM);
    let block = <usize>load<u32>(s, SEG_FIRST_BLOCK) << 2;
    for (let from = 0; from < length; from += actBlock) {
      const to = min(length, from + actBlock);
      const range = absmax(values + ((base + <usize>from) << 2), (to - from + 15) & -16) * clip;
      const scale = range / limit;
      const inverse = f32x4.splat(range > 0 ? limit / range : 0);
      for (let start = from; start < to; start += weightBlock, block += 4) {
        const at = base + <usize>start;
        const channels = (min(weightBlock, to - start) + 15) & -16;
        store<f32>(scales + block, scale);
        store<i32>(sums + block, quantiseBlock(values + (at << 2), codes + at, channels, inverse, limits));
      }
    }
  }
}
