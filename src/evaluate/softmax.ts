import { log } from '../core/math.ts';

const LOG2E = 1.4426950408889634;
const LN2 = 0.6931471805599453;
/** Adding and subtracting 1.5 * 2^52 rounds a small f64 to an integer. */
const ROUND = 6755399441055744;
/** 2^-n at index n. */
const HALVES = new Float64Array(1024);
for (let n = 0, power = 1; n < HALVES.length; n++, power /= 2) HALVES[n] = power;

/**
 * e^d for d <= 0, 0 below -700; NaN stays NaN. Arithmetic alone, so the same bits on every engine, and a few times faster than `core/math.ts`:
 * d = (r - n) ln 2 with |r| <= 1/2 and the Taylor series of e^(r ln 2) to degree 9, whose remainder is 0.347^10 / 10! = 7e-12.
 */
export function expBelow(d: number): number {
  if (d < -700) return 0;
  const t = d * LOG2E;
  const n = t + ROUND - ROUND;
  const r = (t - n) * LN2;
  let p = 1 / 362880;
  p = p * r + 1 / 40320;
  p = p * r + 1 / 5040;
  p = p * r + 1 / 720;
  p = p * r + 1 / 120;
  p = p * r + 1 / 24;
  p = p * r + 1 / 6;
  p = p * r + 0.5;
  p = p * r + 1;
  return (p * r + 1) * HALVES[-n | 0]!;
}

/** Index, relative to `from`, of the largest of `count` values; the first of equals. */
export function argmax(values: Float32Array, from: number, count: number): number {
  let best = from;
  for (let i = from + 1; i < from + count; i++) if (values[i]! > values[best]!) best = i;
  return best - from;
}

/** log of the sum of e^values[from, from + count), given their maximum; relative error of the sum below 1e-11. */
export function logSumExp(values: Float32Array, from: number, count: number, maximum: number): number {
  let sum = 0;
  for (let i = from; i < from + count; i++) sum += expBelow(values[i]! - maximum);
  return maximum + log(sum);
}
