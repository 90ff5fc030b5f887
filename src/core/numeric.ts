/** Scalar f32 building blocks. The kernels compute the same expressions in the same order, so results agree bit for bit. */

const f = Math.fround;

/** Nearest integer, ties to even, as `f32x4.nearest`. */
export function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest < 0.5) return floor;
  if (rest > 0.5) return floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** `i32x4.trunc_sat_f32x4_s` of a rounded value: NaN gives 0, the rest saturates. */
export const toI32 = (x: number): number => (x >= 2147483648 ? 2147483647 : x <= -2147483648 ? -2147483648 : x | 0);

const word = new DataView(new ArrayBuffer(4));

export function bitsOf(x: number): number {
  word.setFloat32(0, x);
  return word.getInt32(0);
}

export function fromBits(bits: number): number {
  word.setInt32(0, bits);
  return word.getFloat32(0);
}

/** IEEE half to f32, exact; infinities and NaN become large finite numbers, as in the kernels. */
export function f16ToF32(half: number): number {
  const magnitude = f(fromBits((half & 0x7fff) << 13) * 5.192296858534828e33); // 2^112
  return half & 0x8000 ? -magnitude : magnitude;
}

/** f32 to IEEE half, ties to even; beyond 65504 saturates, NaN gives 0. */
export function f32ToF16(x: number): number {
  const bits = bitsOf(x);
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = fromBits(bits & 0x7fffffff);
  if (!(magnitude < 65520)) return x !== x ? 0 : sign | 0x7bff;
  if (magnitude < 6.103515625e-5) return sign | roundHalfEven(magnitude * 16777216); // subnormal: units of 2^-24
  const rounded = (bits & 0x7fffffff) + 0xfff + ((bits >>> 13) & 1);
  return sign | ((rounded >>> 13) - 0x1c000);
}

const LOG2E = f(1.4426950408889634);
const LN2_HIGH = f(0.693359375);
const LN2_LOW = f(-2.12194440054690583e-4);

/**
 * e^x in f32, within 2 ulp: x = n ln 2 + r, a degree-6 polynomial in r (coefficients of Cephes' expf, S. Moshier), then a scale by 2^n.
 * Below -87 the result is 0, above 88 it is e^88; NaN gives 0.
 */
export function expF32(x: number): number {
  if (!(x >= -87)) return 0;
  const c = x > 88 ? 88 : x;
  const n = roundHalfEven(f(c * LOG2E));
  const r = f(f(c - f(n * LN2_HIGH)) - f(n * LN2_LOW));
  let p = f(1.9875691500e-4);
  p = f(f(p * r) + f(1.3981999507e-3));
  p = f(f(p * r) + f(8.3334519073e-3));
  p = f(f(p * r) + f(4.1665795894e-2));
  p = f(f(p * r) + f(1.6666665459e-1));
  p = f(f(p * r) + 0.5);
  p = f(f(f(p * f(r * r)) + r) + 1);
  return f(p * fromBits((n + 127) << 23));
}

/** x * sigmoid(x) in f32. */
export const silu = (x: number): number => f(x / f(1 + expF32(-x)));
