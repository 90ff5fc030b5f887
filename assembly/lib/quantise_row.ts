import {
  SEGMENT_BYTES, SEG_ACT_BITS, SEG_ACT_BLOCK, SEG_CENTRES, SEG_CLIP, SEG_FIRST_BLOCK, SEG_FROM, SEG_LENGTH, SEG_OUTLIERS, SEG_STATIC, SEG_WEIGHT_BLOCK,
} from '../../src/formats/descriptor';
import { N0, N4 } from './literal';
import { horizontalMax } from './reduce';

/*
 * src/backends/reference/quantise-row.ts, in two forms as a type parameter: N0, symmetric scales from the values, which nearly all segments have, and N4,
 * everything: codes of x - centre, and outliers as 0.
 */

/** 1.5 * 2^23: added to a number below 2^22, it rounds it to an integer, ties to even, and leaves that in the low bits. */
const ROUND: f32 = 12582912;

/** Four values, those of at least `threshold` in magnitude as 0; a threshold of NaN leaves all. */
@inline function kept<K>(x: v128, threshold: v128): v128 {
  return offsetof<K>() ? v128.andnot(x, f32x4.ge(f32x4.abs(x), threshold)) : x;
}

/** Codes of 4 channels in i32 lanes: clamp(round((x - centre) * inverse), low, high). */
@inline function code4<K>(x: v128, inverse: v128, high: v128, low: v128, round: v128, centre: v128, threshold: v128): v128 {
  const v = offsetof<K>() ? f32x4.sub(kept<K>(x, threshold), centre) : x;
  return i32x4.sub(f32x4.add(f32x4.pmax(f32x4.pmin(f32x4.mul(v, inverse), high), low), round), round);
}

/** Quantises `channels` (a multiple of 16) of x to i8 codes; the sum of the codes. */
@inline function quantiseBlock<K>(
  x: usize, codes: usize, channels: i32, inverse: v128, high: v128, low: v128, round: v128, centre: v128, threshold: v128,
): i32 {
  let total = i16x8.splat(0); // lanes of at most 16 codes
  for (let end = codes + <usize>channels; codes < end; codes += 16, x += 64) {
    const a = i16x8.narrow_i32x4_s(
      code4<K>(v128.load(x), inverse, high, low, round, centre, threshold), code4<K>(v128.load(x, 16), inverse, high, low, round, centre, threshold),
    );
    const b = i16x8.narrow_i32x4_s(
      code4<K>(v128.load(x, 32), inverse, high, low, round, centre, threshold), code4<K>(v128.load(x, 48), inverse, high, low, round, centre, threshold),
    );
    v128.store(codes, i8x16.narrow_i16x8_s(a, b));
    total = i16x8.add(total, i16x8.add(a, b));
  }
  const sums = i32x4.extadd_pairwise_i16x8_s(total);
  return i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1) + i32x4.extract_lane(sums, 2) + i32x4.extract_lane(sums, 3);
}

/** Largest magnitude of `channels` (a multiple of 16) values; NaN if one is NaN. Magnitudes order as integers, and so do NaNs above them. */
@inline function absmax<K>(x: usize, channels: i32, threshold: v128): f32 {
  let a = i32x4.splat(0), b = a;
  for (let end = x + (<usize>channels << 2); x < end; x += 64) {
    a = i32x4.max_s(i32x4.max_s(a, f32x4.abs(kept<K>(v128.load(x), threshold))), f32x4.abs(kept<K>(v128.load(x, 16), threshold)));
    b = i32x4.max_s(i32x4.max_s(b, f32x4.abs(kept<K>(v128.load(x, 32), threshold))), f32x4.abs(kept<K>(v128.load(x, 48), threshold)));
  }
  return horizontalMax(i32x4.max_s(a, b));
}

/** f32 to integers that order as the values do, NaN beyond the infinities; its own inverse. */
@inline function ordered(x: v128, magnitude: v128): v128 { return v128.xor(x, v128.and(i32x4.shr_s(x, 31), magnitude)); }

/** The least of `channels` values in lane 0 and the largest in lane 1, one of them NaN if one is NaN. What lies behind them does not count. */
function bounds(x: usize, channels: i32, threshold: v128): v128 {
  const magnitude = i32x4.splat(0x7fffffff), whole = x + (<usize>(channels & -4) << 2), end = x + (<usize>channels << 2);
  let v = ordered(kept<N4>(v128.load32_splat(x), threshold), magnitude), low = v, high = v;
  for (; x < whole; x += 16) {
    v = ordered(kept<N4>(v128.load(x), threshold), magnitude);
    low = i32x4.min_s(low, v); high = i32x4.max_s(high, v);
  }
  for (; x < end; x += 4) {
    v = ordered(kept<N4>(v128.load32_splat(x), threshold), magnitude);
    low = i32x4.min_s(low, v); high = i32x4.max_s(high, v);
  }
  low = i32x4.min_s(low, v128.shuffle<i32>(low, low, 2, 3, 0, 1)); high = i32x4.max_s(high, v128.shuffle<i32>(high, high, 2, 3, 0, 1));
  low = i32x4.min_s(low, v128.shuffle<i32>(low, low, 1, 0, 3, 2)); high = i32x4.max_s(high, v128.shuffle<i32>(high, high, 1, 0, 3, 2));
  return ordered(v128.shuffle<i32>(low, high, 0, 4, 0, 4), magnitude);
}

/** Activation blocks of one segment. */
@inline function quantiseSegment<K>(s: usize, values: usize, codes: usize, scales: usize, sums: usize): void {
  const length = load<i32>(s, SEG_LENGTH), actBlock = load<i32>(s, SEG_ACT_BLOCK), weightBlock = load<i32>(s, SEG_WEIGHT_BLOCK);
  const centres = offsetof<K>() ? load<i32>(s, SEG_CENTRES) : 0, four = load<i32>(s, SEG_ACT_BITS) == 4;
  const most: f32 = four ? 7 : 127, least: f32 = four && centres ? -8 : -most, clip = load<f32>(s, SEG_CLIP), outliers = load<f32>(s, SEG_OUTLIERS);
  const high = f32x4.splat(most), low = f32x4.splat(least), round = f32x4.splat(ROUND + <f32>(length >>> 31)); // opaque: see lib/silu.ts
  const threshold = f32x4.splat(outliers > 0 ? outliers : NaN);
  const base = <usize>load<u32>(s, SEG_FROM);
  let block = <usize>load<u32>(s, SEG_FIRST_BLOCK) << 2, pair = <usize>load<u32>(s, SEG_STATIC), centreAt = scales + (<usize>centres << 2);
  for (let from = 0; from < length; from += actBlock) {
    const to = min(length, from + actBlock), x = values + ((base + <usize>from) << 2), padded = (to - from + 15) & -16;
    let scale: f32, inverse: f32, centre: f32 = 0;
    if (offsetof<K>() && pair) {
      scale = absmax<K>(x, padded, threshold) < f32.POSITIVE_INFINITY ? load<f32>(pair) : f32.POSITIVE_INFINITY;
      inverse = 1 / scale;
      if (centres) centre = load<f32>(pair, 4);
      pair += 8;
    } else if (offsetof<K>() && centres) {
      const ends = bounds(x, to - from, threshold), minimum = f32x4.extract_lane(ends, 0), span = f32x4.extract_lane(ends, 1) - minimum, range = span * clip;
      scale = range / (most - least);
      inverse = (most - least) / range;
      centre = minimum + span * 0.5 - scale * ((most + least) * 0.5);
    } else {
      const range = absmax<K>(x, padded, threshold) * clip;
      scale = range / most;
      inverse = most / range;
    }
    const usable = inverse > 0 && inverse < f32.POSITIVE_INFINITY; // otherwise all codes are 0
    const factor = f32x4.splat(inverse), middle = f32x4.splat(centre);
    for (let start = from; start < to; start += weightBlock, block += 4) {
      const at = base + <usize>start, count = min(weightBlock, to - start), channels = (count + 15) & -16, behind = codes + at + <usize>count;
      let sum = 0;
      if (usable) sum = quantiseBlock<K>(values + (at << 2), codes + at, channels, factor, high, low, round, middle, threshold);
      else memory.fill(codes + at, 0, <usize>channels);
      if (offsetof<K>() && channels != count) { // 0 has a code of its own beside a centre: not in the padding
        sum -= (channels - count) * load<i8>(behind);
        memory.fill(behind, 0, <usize>(channels - count));
      }
      store<f32>(scales + block, scale);
      store<i32>(sums + block, sum);
    }
    if (offsetof<K>() && centres) {
      store<f32>(centreAt, centre);
      centreAt += 4;
    }
  }
}

/** Quantises a row, which is zero up to a multiple of 16 channels. */
export function quantiseRow(values: usize, segments: usize, count: i32, codes: usize, scales: usize, sums: usize): void {
  for (let s = segments, last = segments + <usize>(count * SEGMENT_BYTES); s < last; s += SEGMENT_BYTES) {
    if (load<u32>(s, SEG_CENTRES) | load<u32>(s, SEG_STATIC) | load<u32>(s, SEG_OUTLIERS)) quantiseSegment<N4>(s, values, codes, scales, sums);
    else quantiseSegment<N0>(s, values, codes, scales, sums);
  }
}
