import { N0, N4, N8 } from '../lib/literal';
import { quantiseRow } from '../lib/quantise_row';
import { horizontalSum } from '../lib/reduce';
import { siluMul } from '../lib/silu';

/*
 * The activation side of a linear: values[i] = f(x[index[i]]), zeros up to a multiple of 16, then codes, scales and sums by segment
 * (src/backends/reference/producers.ts). Identity order runs on vectors; a gather loads single lanes. Both compute the same expression per lane.
 */

/** Four channels i..i+3 of a row, through the index if there is one; `one`: channel i alone, in lane 0. Offsets in bytes. */
@inline function gather(x: usize, index: usize, i: usize, one: bool): v128 {
  if (one) return v128.load32_zero(x + (index ? <usize>load<u32>(index + i) << 2 : i));
  if (!index) return v128.load(x + i);
  const at = index + i;
  let v = v128.load32_zero(x + (<usize>load<u32>(at) << 2));
  v = v128.load_lane<u32>(x + (<usize>load<u32>(at, 4) << 2), v, 1);
  v = v128.load_lane<u32>(x + (<usize>load<u32>(at, 8) << 2), v, 2);
  return v128.load_lane<u32>(x + (<usize>load<u32>(at, 12) << 2), v, 3);
}

/** Zeros from channel `length` to the next multiple of 16. */
@inline function clearTail(values: usize, length: i32): void {
  memory.fill(values + (<usize>length << 2), 0, <usize>(((length + 15) & -16) - length) << 2);
}

/** 1 / sqrt(mean(x^2) + eps): four lane sums over c mod 4, then (0 + 1) + (2 + 3). */
@inline function inverseRms(x: usize, length: i32, eps: f32): f32 {
  let lanes = f32x4.splat(0);
  const whole = x + (<usize>(length & -4) << 2), end = x + (<usize>length << 2);
  let p = x;
  for (; p < whole; p += 16) {
    const v = v128.load(p);
    lanes = f32x4.add(lanes, f32x4.mul(v, v));
  }
  if (p < end) {
    let tail = v128.load32_zero(p);
    if (p + 4 < end) tail = v128.load_lane<u32>(p + 4, tail, 1);
    if (p + 8 < end) tail = v128.load_lane<u32>(p + 8, tail, 2);
    lanes = f32x4.add(lanes, f32x4.mul(tail, tail));
  }
  return 1 / Mathf.sqrt(horizontalSum(lanes) / <f32>length + eps);
}

/** Values of a norm (N4) or as they are (N0): type parameters as literals (lib/literal.ts). */
@inline function valueAt<F>(x: usize, index: usize, i: usize, one: bool, gamma: usize, scale: v128): v128 {
  const v = gather(x, index, i, one);
  return offsetof<F>() == 4 ? f32x4.mul(f32x4.mul(v, scale), one ? v128.load32_zero(gamma + i) : v128.load(gamma + i)) : v;
}

/** One row of values by `valueAt`. */
@inline function fillRow<F>(x: usize, length: i32, gamma: usize, eps: f32, index: usize, values: usize): void {
  const bytes = <usize>length << 2, whole = <usize>(length & -4) << 2;
  const scale = f32x4.splat(offsetof<F>() == 4 ? inverseRms(x, length, eps) : 1);
  let i: usize = 0;
  for (; i < whole; i += 16) v128.store(values + i, valueAt<F>(x, index, i, false, gamma, scale));
  for (; i < bytes; i += 4) v128.store_lane<u32>(values + i, valueAt<F>(x, index, i, true, gamma, scale), 0);
}

/** One row of silu(gate) * up. */
@inline function fillSilu(x: usize, length: i32, index: usize, values: usize): void {
  const bytes = <usize>length << 2, whole = <usize>(length & -4) << 2, up = x + bytes, zero = <f32>(length >>> 31);
  const most = f32x4.splat(88 + zero), least = f32x4.splat(-87 + zero), log2e = f32x4.splat(<f32>1.4426950408889634 + zero);
  const round = f32x4.splat(12582912 + zero), ln2High = f32x4.splat(<f32>0.693359375 + zero), ln2Low = f32x4.splat(<f32>-2.12194440054690583e-4 + zero);
  const k6 = f32x4.splat(<f32>1.9875691500e-4 + zero), k5 = f32x4.splat(<f32>1.3981999507e-3 + zero), k4 = f32x4.splat(<f32>8.3334519073e-3 + zero);
  const k3 = f32x4.splat(<f32>4.1665795894e-2 + zero), k2 = f32x4.splat(<f32>1.6666665459e-1 + zero), half = f32x4.splat(<f32>0.5 + zero);
  const one = f32x4.splat(1 + zero), bias = i32x4.splat(127 + (length >>> 31));
  let i: usize = 0;
  for (; i < whole; i += 16) {
    const v = siluMul(
      gather(x, index, i, false), gather(up, index, i, false), most, least, log2e, round, ln2High, ln2Low, k6, k5, k4, k3, k2, half, one, bias,
    );
    v128.store(values + i, v);
  }
  for (; i < bytes; i += 4) {
    const v = siluMul(
      gather(x, index, i, true), gather(up, index, i, true), most, least, log2e, round, ln2High, ln2Low, k6, k5, k4, k3, k2, half, one, bias,
    );
    v128.store_lane<u32>(values + i, v, 0);
  }
}

/** Rows one after another: values of producer F (N8: silu), zero padding, codes. */
@inline function produce<F>(
  x: usize, xStride: i32, tokens: i32, length: i32, gamma: usize, eps: f32, index: usize, values: usize, valuesStride: i32,
  segments: usize, count: i32, codes: usize, codesStride: i32, scales: usize, sums: usize, blocksStride: i32,
): void {
  for (let t = 0; t < tokens; t++) {
    if (offsetof<F>() == 8) fillSilu(x, length, index, values);
    else fillRow<F>(x, length, gamma, eps, index, values);
    clearTail(values, length);
    quantiseRow(values, segments, count, codes, scales, sums);
    x += <usize>xStride << 2; values += <usize>valuesStride << 2; codes += <usize>codesStride;
    scales += <usize>blocksStride << 2; sums += <usize>blocksStride << 2;
  }
}

export function rmsnorm_permute_quant_f32_ig_simd128(
  x: usize, xStride: i32, tokens: i32, length: i32, gamma: usize, eps: f32, index: usize, values: usize, valuesStride: i32,
  segments: usize, count: i32, codes: usize, codesStride: i32, scales: usize, sums: usize, blocksStride: i32,
): void {
  produce<N4>(x, xStride, tokens, length, gamma, eps, index, values, valuesStride, segments, count, codes, codesStride, scales, sums, blocksStride);
}

export function silu_mul_permute_quant_f32_ig_simd128(
  x: usize, xStride: i32, tokens: i32, length: i32, index: usize, values: usize, valuesStride: i32,
  segments: usize, count: i32, codes: usize, codesStride: i32, scales: usize, sums: usize, blocksStride: i32,
): void {
  produce<N8>(x, xStride, tokens, length, 0, 0, index, values, valuesStride, segments, count, codes, codesStride, scales, sums, blocksStride);
}

export function permute_quant_f32_ig_simd128(
  x: usize, xStride: i32, tokens: i32, length: i32, index: usize, values: usize, valuesStride: i32,
  segments: usize, count: i32, codes: usize, codesStride: i32, scales: usize, sums: usize, blocksStride: i32,
): void {
  produce<N0>(x, xStride, tokens, length, 0, 0, index, values, valuesStride, segments, count, codes, codesStride, scales, sums, blocksStride);
}
