// IEEE half precision, bit for bit as `f16ToF32` and `f32ToF16` in src/core/numeric.ts.

/** 2^112: moves a half's exponent, shifted into f32 position, to the f32 bias. Subnormals come out exact. */
export const REBIAS: f32 = 5.192296858534828e33;

/** A half to f32; infinities and NaN become large finite numbers. */
@inline export function f16ToF32(half: u32): f32 {
  return copysign<f32>(reinterpret<f32>((half & 0x7fff) << 13) * REBIAS, reinterpret<f32>(half << 16));
}

/** Four halves in the low 16 bits of i32 lanes to f32. */
@inline export function f16x4ToF32(halves: v128): v128 {
  const magnitude = v128.and(halves, i32x4.splat(0x7fff));
  const sign = i32x4.shl(v128.xor(halves, magnitude), 16);
  return v128.or(f32x4.mul(i32x4.shl(magnitude, 13), f32x4.splat(REBIAS)), sign);
}

/** Bits of a sign-extended half that remain once it is shifted by 13. */
export const SIGN_AND_MAGNITUDE: i32 = 0x8fffe000;

/** Four consecutive halves in memory, as f32: sign-extended, a half has its sign in place when its exponent is. The constants are arguments for loops to keep. */
@inline export function halvesToF32(address: usize, signAndMagnitude: v128, rebias: v128): v128 {
  return f32x4.mul(v128.and(i32x4.shl(v128.load_ext<i16>(address), 13), signAndMagnitude), rebias);
}

@inline export function loadF16x4(address: usize): v128 {
  return halvesToF32(address, i32x4.splat(SIGN_AND_MAGNITUDE), f32x4.splat(REBIAS));
}

/** f32 to halves in the low 16 bits of i32 lanes: ties to even, saturates at 65504, NaN gives 0. */
@inline export function f32x4ToF16(x: v128): v128 {
  const magnitude = v128.and(x, i32x4.splat(0x7fffffff));
  const sign = v128.and(i32x4.shr_u(x, 16), i32x4.splat(0x8000));
  const odd = v128.and(i32x4.shr_u(magnitude, 13), i32x4.splat(1));
  const normal = i32x4.sub(i32x4.shr_u(i32x4.add(i32x4.add(magnitude, i32x4.splat(0xfff)), odd), 13), i32x4.splat(0x1c000));
  const subnormal = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(magnitude, f32x4.splat(16777216))));
  const small = v128.bitselect(subnormal, normal, f32x4.lt(magnitude, f32x4.splat(6.103515625e-5)));
  const finite = v128.bitselect(small, i32x4.splat(0x7bff), f32x4.lt(magnitude, f32x4.splat(65520)));
  return v128.and(v128.or(finite, sign), f32x4.eq(x, x));
}
