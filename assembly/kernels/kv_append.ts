import { PAGE } from '../../src/formats/descriptor';
import { horizontalMax } from '../lib/reduce';

/*
 * Writes tokens into a page (layouts: src/formats/kv-layout.ts; formulas: src/backends/reference/kv-append.ts).
 * f32 keys are scattered, one lane per channel row, and f32 values contiguous; of 8-bit vectors a token has 2 bytes of a row of keys, and every other
 * byte of a vector of values.
 */

export function kv_append_f32_simd128(
  k: usize, v: usize, stride: i32, tokens: i32, kvHeads: i32, headDim: i32, page: usize, slot: i32,
): void {
  const row = <usize>headDim << 2, part = row * PAGE;
  for (let head = 0; head < kvHeads; head++, k += row, v += row, page += 2 * part) {
    for (let t = 0; t < tokens; t++) {
      const from = <usize>(t * stride) << 2, token = <usize>(slot + t);
      for (let c: usize = 0, key = page + (token << 2); c < row; c += 4, key += 4 * PAGE) store<f32>(key, load<f32>(k + from + c));
      memory.copy(page + part + token * row, v + from, row);
    }
  }
}

/** Largest magnitude of `bytes / 4` values, a multiple of 4. Magnitudes compare as integers, which is one instruction and keeps NaN on top. */
@inline function absmax(x: usize, bytes: usize): f32 {
  let peak = i32x4.splat(0);
  for (let end = x + bytes; x < end; x += 16) peak = i32x4.max_s(peak, f32x4.abs(v128.load(x)));
  return horizontalMax(peak);
}

/** Four codes of x * inverse in i32 lanes. */
@inline function codes4(x: usize, inverse: v128): v128 {
  const code = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x), inverse)));
  return i32x4.max_s(i32x4.min_s(code, i32x4.splat(127)), i32x4.splat(-127));
}

@inline function inverseOf(peak: f32): v128 { return f32x4.splat(peak > 0 ? 127 / peak : 0); }

/** Scatters the low byte of each lane `across` bytes apart. */
@inline function scatter(to: usize, across: usize, code: v128): void {
  v128.store_lane<u8>(to, code, 0);
  v128.store_lane<u8>(to + across, code, 4);
  v128.store_lane<u8>(to + 2 * across, code, 8);
  v128.store_lane<u8>(to + 3 * across, code, 12);
}

export function kv_append_i8h_simd128(
  k: usize, v: usize, stride: i32, tokens: i32, kvHeads: i32, headDim: i32, page: usize, slot: i32,
): void {
  const row = <usize>headDim << 2, part = <usize>headDim * PAGE;
  for (let head = 0; head < kvHeads; head++, k += row, v += row, page += 2 * part + 8 * PAGE) {
    for (let t = 0; t < tokens; t++) {
      const from = <usize>(t * stride) << 2, token = <usize>(slot + t), scales = page + 2 * part + (token << 2);
      const keyPeak = absmax(k + from, row), valuePeak = absmax(v + from, row);
      const keyInverse = inverseOf(keyPeak), valueInverse = inverseOf(valuePeak);
      store<f32>(scales, keyPeak / 127);
      store<f32>(scales, valuePeak / 127, 4 * PAGE);
      let key = page + (token >> 2) * row + 2 * (token & 3), value = page + part + 8 * (token >> 1) + (token & 1);
      for (let c = from, end = from + row; c < end; c += 16, key += 16, value += 4 * PAGE) {
        const words = codes4(k + c, keyInverse), bytes = i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(words, words), words);
        v128.store_lane<u16>(key, bytes, 0);
        v128.store_lane<u16>(key, bytes, 1, 8);
        scatter(value, 2, codes4(v + c, valueInverse));
      }
    }
  }
}
