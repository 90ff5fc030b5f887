/*
 * 2^x for x <= 0, bit for bit as `exp2F32` of src/backends/reference/online-softmax.ts. Adding 1.5 * 2^23 rounds to an integer n, ties to even, and leaves
 * it in the low bits, from which a shift moves it into the exponent. 0 where n < -96 and for NaN.
 */
export const ROUND: f32 = 12582912;
export const LEAST: f32 = 12582912 - 96;
export const POWER5: f32 = 0.0013264723820611835;
export const POWER4: f32 = 0.009671512991189957;
export const POWER3: f32 = 0.05550733581185341;
export const POWER2: f32 = 0.24022242426872253;
export const POWER1: f32 = 0.6931470036506653;

/** The constants are arguments so that a loop can keep them in registers: engines build a constant vector anew at each use. */
@inline export function exp2Of(x: v128, round: v128, least: v128, c5: v128, c4: v128, c3: v128, c2: v128, c1: v128, one: v128): v128 {
  const t = f32x4.add(x, round), r = f32x4.sub(x, f32x4.sub(t, round));
  let p = f32x4.add(f32x4.mul(r, c5), c4);
  p = f32x4.add(f32x4.mul(p, r), c3);
  p = f32x4.add(f32x4.mul(p, r), c2);
  p = f32x4.add(f32x4.mul(p, r), c1);
  p = f32x4.add(f32x4.mul(p, r), one);
  return v128.and(i32x4.add(p, i32x4.shl(t, 23)), f32x4.ge(t, least));
}

export function exp2(x: f32): f32 {
  return f32x4.extract_lane(exp2Of(
    f32x4.splat(x), f32x4.splat(ROUND), f32x4.splat(LEAST), f32x4.splat(POWER5), f32x4.splat(POWER4), f32x4.splat(POWER3), f32x4.splat(POWER2),
    f32x4.splat(POWER1), f32x4.splat(1),
  ), 0);
}
