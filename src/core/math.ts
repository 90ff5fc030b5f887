/** Transcendental functions in f64 from arithmetic alone: engines differ in the last bits of `Math.exp` and `Math.sin`, and Tetrad's results must not. */

const LN2_HIGH = 6.93147180369123816490e-1;
const LN2_LOW = 1.90821492927058770002e-10;
const scale = new DataView(new ArrayBuffer(8));

/** 2^n for -1022 <= n <= 1023. */
function powerOfTwo(n: number): number {
  scale.setUint32(0, (n + 1023) << 20);
  scale.setUint32(4, 0);
  return scale.getFloat64(0);
}

/** e^x, relative error below 1e-15; 0 below -708, Infinity above 709. */
export function exp(x: number): number {
  if (x !== x) return x;
  if (x < -708) return 0;
  if (x > 709) return Infinity;
  const n = Math.round(x / Math.LN2);
  const r = x - n * LN2_HIGH - n * LN2_LOW;
  let sum = 1;
  for (let k = 14; k >= 1; k--) sum = 1 + (r / k) * sum;
  return n === 1024 ? sum * 2 * powerOfTwo(1023) : sum * powerOfTwo(n);
}

/** Natural logarithm of a finite positive number, relative error below 1e-15; -Infinity at 0, NaN below. */
export function log(x: number): number {
  if (!(x > 0)) return x === 0 ? -Infinity : NaN;
  if (x === Infinity) return x;
  let exponent = 0;
  if (x < 2.2250738585072014e-308) {
    x *= 18014398509481984; // 2^54
    exponent = -54;
  }
  scale.setFloat64(0, x);
  const high = scale.getUint32(0);
  exponent += ((high >>> 20) & 0x7ff) - 1023;
  scale.setUint32(0, (high & 0xfffff) | 0x3ff00000);
  let m = scale.getFloat64(0);
  if (m > Math.SQRT2) {
    m /= 2;
    exponent++;
  }
  const s = (m - 1) / (m + 1);
  const s2 = s * s;
  let sum = 0;
  for (let k = 21; k >= 3; k -= 2) sum = (sum + 1 / k) * s2;
  return exponent * LN2_HIGH + (2 * s * (1 + sum) + exponent * LN2_LOW);
}

/** base^power for base > 0. */
export const pow = (base: number, power: number): number => (power === 0 ? 1 : exp(power * log(base)));

const PI_2_HIGH = 1.57079632673412561417; // 33 bits of pi / 2
const PI_2_LOW = 6.07710050650619224932e-11;

/** Puts cos x at `at` and sin x `half` after it, for |x| < 2^20, absolute error below 1e-14. Makes no list a call: a table of RoPE has 65,000. */
export function putCosSin(target: Float32Array, at: number, half: number, x: number): void {
  const n = Math.round(x / (PI_2_HIGH + PI_2_LOW));
  const r = x - n * PI_2_HIGH - n * PI_2_LOW;
  const r2 = r * r;
  let sine = 1;
  for (let k = 16; k >= 2; k -= 2) sine = 1 - (r2 / (k * (k + 1))) * sine;
  sine *= r;
  let cosine = 1;
  for (let k = 16; k >= 2; k -= 2) cosine = 1 - (r2 / (k * (k - 1))) * cosine;
  const quarter = ((n % 4) + 4) % 4;
  const swapped = quarter % 2 === 1;
  const c = swapped ? sine : cosine;
  const s = swapped ? cosine : sine;
  target[at] = quarter === 1 || quarter === 2 ? -c : c;
  target[at + half] = quarter >= 2 ? -s : s;
}
