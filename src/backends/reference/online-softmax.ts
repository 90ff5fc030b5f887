import { expF32 } from '../../core/numeric.ts';
import { PAGE } from '../../formats/descriptor.ts';

const f = Math.fround;

/** (lane 0 + lane 1) + (lane 2 + lane 3). */
export const sumLanes = (lanes: ArrayLike<number>): number => f(f(lanes[0]! + lanes[1]!) + f(lanes[2]! + lanes[3]!));

/**
 * Scores of one page's first `count` tokens to weights in place, and a query's state (maximum m, sum l) onward over that page:
 *
 *   s[t] = score[t] * scale
 *   m'   = max(m, max s);  a = e^(m - m');  p[t] = e^(s[t] - m')
 *   l    = l * a + ((sum of p over t = 0 mod 4 + over t = 1 mod 4) + (over t = 2 mod 4 + over t = 3 mod 4))
 *
 * p is 0 from `count` on. A NaN score counts as no token. `fresh` replaces m and l by -Infinity and 0 unread. Returns a.
 */
export function onlineSoftmax(f32: Float32Array, scores: Float32Array, count: number, scale: number, state: number, fresh: boolean): number {
  const [before, sum] = fresh ? [-Infinity, 0] : [f32[state]!, f32[state + 1]!];
  const peaks = [before, before, before, before];
  for (let t = 0; t < count; t++) {
    scores[t] = f(scores[t]! * scale);
    if (peaks[t & 3]! < scores[t]!) peaks[t & 3] = scores[t]!;
  }
  const peak = Math.max(...peaks);
  const sums = new Float32Array(4);
  for (let t = 0; t < count; t++) {
    scores[t] = expF32(f(scores[t]! - peak));
    sums[t & 3]! += scores[t]!;
  }
  scores.fill(0, count, PAGE);
  const decay = expF32(f(before - peak));
  f32[state] = peak;
  f32[state + 1] = f(f(sum * decay) + sumLanes(sums));
  return decay;
}
