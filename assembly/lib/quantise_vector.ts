/*
 * A vector as one f32 scale and integer codes (`quantise` of src/backends/reference/attention-codes.ts). A code comes from adding 1.5 * 2^23,
 * which rounds to integers, ties to even, and leaves them in the low bits.
 */
const ROUND: f32 = 12582912;
/** 2^-100: at most this, all codes are 0. */
const NEGLIGIBLE: f32 = 7.888609052210118e-31;

/** limit / peak, or 0 where that may overflow or the peak is NaN. */
@inline export function inverseOf(peak: f32, limit: f32): v128 {
  return f32x4.splat(peak > NEGLIGIBLE ? limit / peak : 0);
}

/** Codes of four values in i32 lanes; NaN gives `limit`. */
@inline export function code4(x: v128, inverse: v128, limit: v128): v128 {
  const most = f32x4.pmin(limit, f32x4.mul(x, inverse));
  return i32x4.sub(f32x4.add(f32x4.pmax(f32x4.neg(limit), most), f32x4.splat(ROUND)), i32x4.splat(0x4b400000));
}
