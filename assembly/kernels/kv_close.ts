import { PAGE } from '../../src/formats/descriptor';
import { f16x4ToF32, f32x4ToF16 } from '../lib/f16';
import { widenI8x4 } from '../lib/widen';

/*
 * A full 8-bit page to 4 bits (layouts: src/formats/kv-layout.ts; formulas: src/backends/reference/kv-close.ts). A group is `length` consecutive
 * codes, a multiple of 4. Keys carry a scale per lane (`perLane`), values one scale for all. Two groups go together: those of a byte's nibbles.
 */

/** Four values of a group, `i` bytes into its codes. */
@inline function valuesAt(codes: usize, scales: usize, i: usize, perLane: bool): v128 {
  return f32x4.mul(f32x4.convert_i32x4_s(widenI8x4(codes + i)), perLane ? v128.load(scales + (i << 2)) : v128.load32_splat(scales));
}

/** The extremes of two groups: x's in lane 0, y's in lane 1. */
@inline function lowest(x: v128, y: v128): v128 {
  const halves = f32x4.min(v128.shuffle<f32>(x, y, 0, 4, 1, 5), v128.shuffle<f32>(x, y, 2, 6, 3, 7));
  return f32x4.min(halves, v128.shuffle<f32>(halves, halves, 2, 3, 0, 1));
}

@inline function highest(x: v128, y: v128): v128 {
  const halves = f32x4.max(v128.shuffle<f32>(x, y, 0, 4, 1, 5), v128.shuffle<f32>(x, y, 2, 6, 3, 7));
  return f32x4.max(halves, v128.shuffle<f32>(halves, halves, 2, 3, 0, 1));
}

/** Four codes in i32 lanes. */
@inline function quantise(x: v128, minimum: v128, inverse: v128): v128 {
  const code = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(f32x4.sub(x, minimum), inverse)));
  return i32x4.max_s(i32x4.min_s(code, i32x4.splat(15)), i32x4.splat(0));
}

/**
 * Two groups, or as one group where they are `joined`, into the low and high nibbles of `length` bytes. Both pass through the vectors of
 * parameters together, in lanes 0 and 1.
 */
@inline function closePair(
  low: usize, high: usize, lowScales: usize, highScales: usize, length: usize, perLane: bool, joined: bool,
  bytes: usize, lowPair: usize, highPair: usize,
): void {
  let x = valuesAt(low, lowScales, 0, perLane), y = valuesAt(high, highScales, 0, perLane);
  let xLow = x, xHigh = x, yLow = y, yHigh = y;
  for (let i: usize = 4; i < length; i += 4) {
    x = valuesAt(low, lowScales, i, perLane);
    y = valuesAt(high, highScales, i, perLane);
    xLow = f32x4.min(xLow, x); xHigh = f32x4.max(xHigh, x);
    yLow = f32x4.min(yLow, y); yHigh = f32x4.max(yHigh, y);
  }
  if (joined) {
    xLow = yLow = f32x4.min(xLow, yLow);
    xHigh = yHigh = f32x4.max(xHigh, yHigh);
  }
  const minimumHalf = f32x4ToF16(lowest(xLow, yLow)), minimum = f16x4ToF32(minimumHalf);
  const range = f32x4.max(f32x4.splat(0), f32x4.sub(highest(xHigh, yHigh), minimum));
  const scaleHalf = f32x4ToF16(f32x4.div(range, f32x4.splat(15))), scale = f16x4ToF32(scaleHalf);
  const inverse = v128.and(f32x4.div(f32x4.splat(1), scale), f32x4.gt(scale, f32x4.splat(0)));
  const halves = v128.or(scaleHalf, i32x4.shl(minimumHalf, 16));
  v128.store_lane<u32>(lowPair, halves, 0);
  v128.store_lane<u32>(highPair, halves, 1);
  const xMinimum = v128.shuffle<f32>(minimum, minimum, 0, 0, 0, 0), xInverse = v128.shuffle<f32>(inverse, inverse, 0, 0, 0, 0);
  const yMinimum = v128.shuffle<f32>(minimum, minimum, 1, 1, 1, 1), yInverse = v128.shuffle<f32>(inverse, inverse, 1, 1, 1, 1);
  for (let i: usize = 0; i < length; i += 4) {
    x = quantise(valuesAt(low, lowScales, i, perLane), xMinimum, xInverse);
    y = quantise(valuesAt(high, highScales, i, perLane), yMinimum, yInverse);
    const words = v128.or(x, i32x4.shl(y, 4)), shorts = i16x8.narrow_i32x4_s(words, words);
    v128.store_lane<u32>(bytes + i, i8x16.narrow_i16x8_u(shorts, shorts), 0);
  }
}

export function kv_close_i8h_u4_simd128(page8: usize, page4: usize, kvHeads: i32, headDim: i32, keyGroup: i32, valueGroup: i32): void {
  const row = <usize>headDim, half = row >> 1, group = <usize>valueGroup, groups = (half + group - 1) / group;
  const joined = keyGroup == PAGE, second: usize = joined ? 0 : 4;
  for (let head = 0; head < kvHeads; head++, page8 += 2 * row * PAGE + 8 * PAGE) {
    const scales = page8 + 2 * row * PAGE;
    let code = page8, bytes = page4, pair = page4 + row * PAGE;
    for (let c: usize = 0; c < row; c++, code += PAGE, bytes += PAGE / 2, pair += 4 + second) {
      closePair(code, code + PAGE / 2, scales, scales + 2 * PAGE, PAGE / 2, true, joined, bytes, pair, pair + second);
    }
    for (let scale = scales + 4 * PAGE, last = scale + 4 * PAGE; scale < last; scale += 4, code += row, bytes += half, pair += 8 * groups) {
      for (let from: usize = 0, p = pair; from < half; from += group, p += 4) {
        const low = code + from;
        closePair(low, low + half, scale, scale, min<usize>(group, half - from), false, false, bytes + from, p, p + 4 * groups);
      }
    }
    page4 = pair;
  }
}
