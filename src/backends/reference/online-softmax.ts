import { PAGE } from '../../formats/descriptor.ts';

const f = Math.fround;

/** (lane 0 + lane 1) + (lane 2 + lane 3). */
export const sumLanes = (lanes: ArrayLike<number>): number => f(f(lanes[0]! + lanes[1]!) + f(lanes[2]! + lanes[3]!));

/** Adding it rounds to an integer, ties to even. */
const ROUND = 1.5 * 2 ** 23;

/** Coefficients of r^5 .. r^0: least greatest relative error on [-0.5, 0.5] with 2^0 = 1, 9e-8. */
const POWER = [0.0013264723820611835, 0.009671512991189957, 0.05550733581185341, 0.24022242426872253, 0.6931470036506653, 1];

/** 2^x for x <= 0, within 2e-7 of it: x = n + r, a polynomial in r, n added to the exponent. 0 where n < -96 and for NaN. */
export function exp2F32(x: number): number {
  const n = f(f(x + ROUND) - ROUND);
  if (!(n >= -96)) return 0;
  const r = f(x - n);
  return POWER.reduce((p, c) => f(f(p * r) + f(c)), 0) * 2 ** n;
}

/** What scores are multiplied by: powers of 2 stand for those of e. */
export const softmaxScale = (scale: number): number => f(f(scale) * f(Math.LOG2E));

/**
 * Scaled scores s of one page's first `count` tokens to weights in place, and a query's state (maximum m, sum l) onward over that page:
 *
 *   m' = max(m, max s);  a = 2^(m - m');  p[t] = 2^(s[t] - m')
 *   l  = l * a + ((sum of p over t = 0 mod 4 + over t = 1 mod 4) + (over t = 2 mod 4 + over t = 3 mod 4))
 *
 * p is 0 from `count` on. A NaN score counts as no token. `fresh` replaces m and l by -Infinity and 0 unread. Returns a.
 */
export function onlineSoftmax(f32: Float32Array, scores: Float32Array, count: number, state: number, fresh: boolean): number {
  const [before, sum] = fresh ? [-Infinity, 0] : [f32[state]!, f32[state + 1]!];
  let peak = before;
  for (let t = 0; t < count; t++) if (peak < scores[t]!) peak = scores[t]!;
  const sums = new Float32Array(4);
  for (let t = 0; t < count; t++) {
    scores[t] = exp2F32(f(scores[t]! - peak));
    sums[t & 3]! += scores[t]!;
  }
  scores.fill(0, count, PAGE);
  const decay = exp2F32(f(before - peak));
  f32[state] = peak;
  f32[state + 1] = f(f(sum * decay) + sumLanes(sums));
  return decay;
}
