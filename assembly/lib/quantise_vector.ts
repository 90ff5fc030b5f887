/*
 * A vector as one f32 scale and integer codes (`quantise` of src/backends/reference/attention-codes.ts). A code comes from adding 1.5 * 2^23,
 * which rounds to integers, ties to even, and leaves them in the low bits.
 */

/** 2^-100: at most this, all codes are 0. */
const NEGLIGIBLE: f32 = 7.888609052210118e-31;

@inline export function inverseOf(peak: f32, limit: f32): v128 {
  return f32x4.splat(peak > NEGLIGIBLE && peak < f32.MAX_VALUE ? limit / peak : 0);
}

/** NaN where codes mean nothing. */
@inline export function scaleOf(peak: f32, limit: f32): f32 { return peak < f32.MAX_VALUE ? peak / limit : f32.NaN; }

/** Codes of four values in i32 lanes; `round` is 1.5 * 2^23. */
@inline export function code4(x: v128, inverse: v128, round: v128): v128 {
  return i32x4.sub(f32x4.add(f32x4.mul(x, inverse), round), round);
}
