/*
 * Vectors as f32 scales and integer codes, four at a time, one in each lane (`quantise` of src/backends/reference/attention-codes.ts). A code comes from
 * adding 1.5 * 2^23, which rounds to integers, ties to even, and leaves them in the low bits. Peaks compare as integers, which keeps NaN on top.
 */

/** 2^-100: at most this, all codes are 0. */
const NEGLIGIBLE: f32 = 7.888609052210118e-31;

@inline export function inverses4(peaks: v128, limit: v128): v128 {
  const known = v128.and(i32x4.gt_s(peaks, f32x4.splat(NEGLIGIBLE)), i32x4.lt_s(peaks, f32x4.splat(f32.MAX_VALUE)));
  return v128.and(f32x4.div(limit, peaks), known);
}

/** NaN where codes mean nothing. */
@inline export function codeScales4(peaks: v128, limit: v128): v128 {
  return v128.or(f32x4.div(peaks, limit), i32x4.ge_s(peaks, f32x4.splat(f32.MAX_VALUE)));
}

/** Codes of four values in i32 lanes; `round` is 1.5 * 2^23. */
@inline export function code4(x: v128, inverse: v128, round: v128): v128 {
  return i32x4.sub(f32x4.add(f32x4.mul(x, inverse), round), round);
}
