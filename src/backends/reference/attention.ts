import { expF32 } from '../../core/numeric.ts';
import { PAGE } from '../../formats/descriptor.ts';
import type { LinearMemory } from '../backend.ts';

const f = Math.fround;

/**
 * One page of online softmax for each query, over its n visible tokens:
 *
 *   s[t] = scale * sum over c, ascending from 0, of q[c] * keys[c][t]
 *   m'   = max(m, max s);  a = e^(m - m');  p[t] = e^(s[t] - m')
 *   l    = l * a + ((sum of p over t = 0 mod 4 + over t = 1 mod 4) + (over t = 2 mod 4 + over t = 3 mod 4))
 *   o[c] = o[c] * a + (sum over t, ascending from 0, of p[t] * values[t][c])
 *
 * `fresh` replaces m, l and o by -Infinity, 0 and 0 unread. Nothing depends on tokens n and later of the tiles.
 */
export function attentionPage(
  memory: LinearMemory, q: number, qStride: number, out: number, outStride: number, state: number,
  tokens: number, group: number, headDim: number,
  keys: number, values: number, visible: number, causal: number, fresh: number, scale: number, scratch: number,
): void {
  const { f32 } = memory;
  const factor = f(scale);
  const p = scratch >>> 2;
  for (let query = 0; query < tokens * group; query++) {
    const token = Math.floor(query / group);
    const head = (query % group) * headDim;
    const from = (q >>> 2) + token * qStride + head;
    const to = (out >>> 2) + token * outStride + head;
    const count = Math.min(PAGE, visible + token * causal);
    const [before, sum] = fresh ? [-Infinity, 0] : [f32[(state >>> 2) + 2 * query]!, f32[(state >>> 2) + 2 * query + 1]!];
    let peak = before;
    for (let t = 0; t < count; t++) {
      let dot = 0;
      for (let c = 0; c < headDim; c++) dot = f(dot + f(f32[from + c]! * f32[(keys >>> 2) + c * PAGE + t]!));
      f32[p + t] = f(dot * factor);
      peak = Math.max(peak, f32[p + t]!);
    }
    const lanes: [number, number, number, number] = [0, 0, 0, 0];
    for (let t = 0; t < count; t++) {
      f32[p + t] = expF32(f(f32[p + t]! - peak));
      lanes[t & 3] = f(lanes[t & 3]! + f32[p + t]!);
    }
    const decay = expF32(f(before - peak));
    for (let c = 0; c < headDim; c++) {
      let acc = 0;
      for (let t = 0; t < count; t++) acc = f(acc + f(f32[p + t]! * f32[(values >>> 2) + t * headDim + c]!));
      f32[to + c] = fresh ? acc : f(f(f32[to + c]! * decay) + acc);
    }
    f32[(state >>> 2) + 2 * query] = peak;
    f32[(state >>> 2) + 2 * query + 1] = f(f(sum * decay) + f(f(lanes[0] + lanes[1]) + f(lanes[2] + lanes[3])));
  }
}

/** o[c] / l, one division each. */
export function attentionFinish(
  memory: LinearMemory, out: number, outStride: number, state: number, tokens: number, group: number, headDim: number,
): void {
  const { f32 } = memory;
  for (let query = 0; query < tokens * group; query++) {
    const row = (out >>> 2) + Math.floor(query / group) * outStride + (query % group) * headDim;
    const sum = f32[(state >>> 2) + 2 * query + 1]!;
    for (let c = 0; c < headDim; c++) f32[row + c] = f(f32[row + c]! / sum);
  }
}
