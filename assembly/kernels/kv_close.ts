import { KEY_GROUP, PAGE, VALUE_GROUP } from '../../src/formats/descriptor';
import { f16x4ToF32, f32x4ToF16 } from '../lib/f16';
import { horizontalMax } from '../lib/reduce';
import { widenI8x4 } from '../lib/widen';

/*
 * A full 8-bit page to 4 bits (layouts: src/formats/kv-layout.ts; formulas: src/backends/reference/kv-close.ts). A group is `length` consecutive
 * codes, a multiple of 4. Keys carry a scale per lane (`perLane`), values one scale for all.
 */

/** Four values of a group, `i` bytes into its codes. */
@inline function valuesAt(codes: usize, scales: usize, i: usize, perLane: bool): v128 {
  return f32x4.mul(f32x4.convert_i32x4_s(widenI8x4(codes + i)), perLane ? v128.load(scales + (i << 2)) : v128.load32_splat(scales));
}

/** Finds a group's parameters and stores them at `pair` as halves (scale, minimum). Returns the rounded scale in lane 0, the minimum in lane 1. */
@inline function parameters(codes: usize, scales: usize, length: usize, perLane: bool, pair: usize): v128 {
  let low = f32x4.splat(f32.POSITIVE_INFINITY), high = f32x4.splat(f32.NEGATIVE_INFINITY);
  for (let i: usize = 0; i < length; i += 4) {
    const x = valuesAt(codes, scales, i, perLane);
    low = f32x4.min(low, x);
    high = f32x4.max(high, x);
  }
  const minimumHalf = f32x4ToF16(f32x4.splat(-horizontalMax(f32x4.neg(low))));
  const minimum = f16x4ToF32(minimumHalf);
  const range = f32x4.max(f32x4.splat(0), f32x4.sub(f32x4.splat(horizontalMax(high)), minimum));
  const scaleHalf = f32x4ToF16(f32x4.div(range, f32x4.splat(15)));
  v128.store_lane<u16>(pair, scaleHalf, 0);
  v128.store_lane<u16>(pair, minimumHalf, 0, 2);
  return v128.shuffle<f32>(f16x4ToF32(scaleHalf), minimum, 0, 4, 0, 4);
}

/** Four codes in i32 lanes. */
@inline function quantise(x: v128, minimum: v128, inverse: v128): v128 {
  const code = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(f32x4.sub(x, minimum), inverse)));
  return i32x4.max_s(i32x4.min_s(code, i32x4.splat(15)), i32x4.splat(0));
}

@inline function inverseOf(scale: f32): v128 { return f32x4.splat(scale > 0 ? 1 / scale : 0); }

/** Two groups into the low and high nibbles of `length` bytes. */
@inline function closePair(
  low: usize, high: usize, lowScales: usize, highScales: usize, length: usize, perLane: bool, bytes: usize, lowPair: usize, highPair: usize,
): void {
  const p = parameters(low, lowScales, length, perLane, lowPair), q = parameters(high, highScales, length, perLane, highPair);
  const pInverse = inverseOf(f32x4.extract_lane(p, 0)), qInverse = inverseOf(f32x4.extract_lane(q, 0));
  const pMinimum = v128.shuffle<f32>(p, p, 1, 1, 1, 1), qMinimum = v128.shuffle<f32>(q, q, 1, 1, 1, 1);
  for (let i: usize = 0; i < length; i += 4) {
    const a = quantise(valuesAt(low, lowScales, i, perLane), pMinimum, pInverse);
    const b = quantise(valuesAt(high, highScales, i, perLane), qMinimum, qInverse);
    const words = v128.or(a, i32x4.shl(b, 4)), halves = i16x8.narrow_i32x4_s(words, words);
    v128.store_lane<u32>(bytes + i, i8x16.narrow_i16x8_u(halves, halves), 0);
  }
}

export function kv_close_i8h_u4_simd128(page8: usize, page4: usize, kvHeads: i32, headDim: i32): void {
  const row = <usize>headDim, half = row >> 1, groups = (half + VALUE_GROUP - 1) / VALUE_GROUP;
  for (let head = 0; head < kvHeads; head++, page8 += 2 * row * PAGE + 8 * PAGE, page4 += row * PAGE + row * 8 + 8 * groups * PAGE) {
    const scales = page8 + 2 * row * PAGE;
    let code = page8, bytes = page4, pair = page4 + row * PAGE;
    for (let c: usize = 0; c < row; c++, code += PAGE, bytes += KEY_GROUP, pair += 8) {
      closePair(code, code + KEY_GROUP, scales, scales + 4 * KEY_GROUP, KEY_GROUP, true, bytes, pair, pair + 4);
    }
    for (let scale = scales + 4 * PAGE, last = scale + 4 * PAGE; scale < last; scale += 4, code += row, bytes += half, pair += 8 * groups) {
      for (let from: usize = 0, p = pair; from < half; from += VALUE_GROUP, p += 4) {
        const low = code + from;
        closePair(low, low + half, scale, scale, min<usize>(VALUE_GROUP, half - from), false, bytes + from, p, p + 4 * groups);
      }
    }
  }
}
