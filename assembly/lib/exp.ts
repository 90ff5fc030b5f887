// e^x, bit for bit as `expF32` in src/core/numeric.ts: below -87 and for NaN 0, above 88 e^88.

@inline export function exp4(x: v128): v128 {
  const c = f32x4.pmin(x, f32x4.splat(88));
  const n = f32x4.nearest(f32x4.mul(c, f32x4.splat(1.4426950408889634)));
  const r = f32x4.sub(f32x4.sub(c, f32x4.mul(n, f32x4.splat(0.693359375))), f32x4.mul(n, f32x4.splat(-2.12194440054690583e-4)));
  let p = f32x4.splat(1.9875691500e-4);
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.3981999507e-3));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(8.3334519073e-3));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(4.1665795894e-2));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.6666665459e-1));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(0.5));
  p = f32x4.add(f32x4.add(f32x4.mul(p, f32x4.mul(r, r)), r), f32x4.splat(1));
  const power = i32x4.shl(i32x4.add(i32x4.trunc_sat_f32x4_s(n), i32x4.splat(127)), 23);
  return v128.and(f32x4.mul(p, power), f32x4.ge(x, f32x4.splat(-87)));
}

@inline export function exp(x: f32): f32 {
  return f32x4.extract_lane(exp4(f32x4.splat(x)), 0);
}

/*
 * The same for x <= 0 and NaN, with the constants in memory. Engines build a constant vector anew at each use, by up to three instructions; a load is one.
 * Adding 1.5 * 2^23 rounds to an integer, ties to even, and leaves it in the low bits, which spares a rounding and a saturating conversion.
 */

/** Bytes of the constants, of which each fills a vector. */
export const EXP_CONSTANTS: usize = 13 * 16;

@inline function keep(at: usize, index: usize, value: f32): void { v128.store(at + (index << 4), f32x4.splat(value)); }

export function writeExpConstants(at: usize): void {
  keep(at, 0, 1.4426950408889634); keep(at, 1, 12582912); keep(at, 2, 0.693359375); keep(at, 3, -2.12194440054690583e-4);
  keep(at, 4, 1.9875691500e-4); keep(at, 5, 1.3981999507e-3); keep(at, 6, 8.3334519073e-3); keep(at, 7, 4.1665795894e-2);
  keep(at, 8, 1.6666665459e-1); keep(at, 9, 0.5); keep(at, 10, 1); keep(at, 11, -87);
  v128.store(at, i32x4.splat(127), 12 * 16);
}

@inline export function expNegative4(x: v128, at: usize): v128 {
  const t = f32x4.add(f32x4.mul(x, v128.load(at)), v128.load(at, 16)), n = f32x4.sub(t, v128.load(at, 16));
  const r = f32x4.sub(f32x4.sub(x, f32x4.mul(n, v128.load(at, 32))), f32x4.mul(n, v128.load(at, 48)));
  let p = f32x4.add(f32x4.mul(v128.load(at, 64), r), v128.load(at, 80));
  p = f32x4.add(f32x4.mul(p, r), v128.load(at, 96));
  p = f32x4.add(f32x4.mul(p, r), v128.load(at, 112));
  p = f32x4.add(f32x4.mul(p, r), v128.load(at, 128));
  p = f32x4.add(f32x4.mul(p, r), v128.load(at, 144));
  p = f32x4.add(f32x4.add(f32x4.mul(p, f32x4.mul(r, r)), r), v128.load(at, 160));
  const power = i32x4.shl(i32x4.add(t, v128.load(at, 192)), 23);
  return v128.and(f32x4.mul(p, power), f32x4.ge(x, v128.load(at, 176)));
}
