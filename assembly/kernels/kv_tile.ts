import { PAGE } from '../../src/formats/descriptor';
import { f16x4ToF32 } from '../lib/f16';
import { widenI8x4, widenU8x4 } from '../lib/widen';

/*
 * One head of a quantised page to the f32 tile that attention reads: keys [D][64], values [64][D]
 * (layouts: src/formats/kv-layout.ts; formulas: src/backends/reference/kv-tile.ts).
 */

export function kv_tile_i8h_f32_simd128(page: usize, headDim: i32, keys: usize, values: usize): void {
  const part = <usize>headDim * PAGE, scales = page + 2 * part;
  for (let c = page, end = page + part; c < end; c += PAGE) {
    for (let t: usize = 0; t < <usize>PAGE; t += 4, keys += 16) {
      v128.store(keys, f32x4.mul(f32x4.convert_i32x4_s(widenI8x4(c + t)), v128.load(scales + (t << 2))));
    }
  }
  let code = page + part;
  for (let scale = scales + 4 * PAGE, last = scale + 4 * PAGE; scale < last; scale += 4) {
    const s = v128.load32_splat(scale);
    for (let end = code + <usize>headDim; code < end; code += 4, values += 16) {
      v128.store(values, f32x4.mul(f32x4.convert_i32x4_s(widenI8x4(code)), s));
    }
  }
}

/** Four codes in i32 lanes to f32. */
@inline function value(codes: v128, s: v128, m: v128): v128 { return f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(codes), s), m); }

/** Expands `length` bytes (a multiple of 4): low nibbles to `low`, high nibbles to `high`, each with its f16 pair (scale, minimum). */
@inline function expand(codes: usize, length: usize, lowPair: usize, highPair: usize, low: usize, high: usize): void {
  const nibble = i16x8.splat(15);
  const pairs = f16x4ToF32(i32x4.extend_low_i16x8_u(v128.load_lane<u32>(highPair, v128.load32_zero(lowPair), 1)));
  const s0 = v128.shuffle<f32>(pairs, pairs, 0, 0, 0, 0), m0 = v128.shuffle<f32>(pairs, pairs, 1, 1, 1, 1);
  const s1 = v128.shuffle<f32>(pairs, pairs, 2, 2, 2, 2), m1 = v128.shuffle<f32>(pairs, pairs, 3, 3, 3, 3);
  const end = codes + length;
  for (; codes + 8 <= end; codes += 8, low += 32, high += 32) {
    const bytes = v128.load_ext<u8>(codes), l = v128.and(bytes, nibble), h = i16x8.shr_u(bytes, 4);
    v128.store(low, value(i32x4.extend_low_i16x8_u(l), s0, m0));
    v128.store(low, value(i32x4.extend_high_i16x8_u(l), s0, m0), 16);
    v128.store(high, value(i32x4.extend_low_i16x8_u(h), s1, m1));
    v128.store(high, value(i32x4.extend_high_i16x8_u(h), s1, m1), 16);
  }
  if (codes < end) {
    const bytes = widenU8x4(codes);
    v128.store(low, value(v128.and(bytes, i32x4.splat(15)), s0, m0));
    v128.store(high, value(i32x4.shr_u(bytes, 4), s1, m1));
  }
}

export function kv_tile_u4_f32_simd128(page: usize, headDim: i32, keyGroup: i32, valueGroup: i32, keys: usize, values: usize): void {
  const half = <usize>headDim >> 1, group = <usize>valueGroup, groups = (half + group - 1) / group, second: usize = keyGroup == PAGE ? 0 : 4;
  let pair = page + <usize>headDim * PAGE, code = page;
  for (const end = page + <usize>headDim * (PAGE / 2); code < end; code += PAGE / 2, pair += 4 + second, keys += 4 * PAGE) {
    expand(code, PAGE / 2, pair, pair + second, keys, keys + 2 * PAGE);
  }
  for (let t = 0; t < PAGE; t++, pair += 8 * groups, code += half, values += half << 3) {
    for (let from: usize = 0, p = pair; from < half; from += group, p += 4) {
      const low = values + (from << 2);
      expand(code + from, min<usize>(group, half - from), p, p + 4 * groups, low, low + (half << 2));
    }
  }
}
