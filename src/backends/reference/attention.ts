import { PAGE } from '../../formats/descriptor.ts';
import type { LinearMemory } from '../backend.ts';
import { exp2F32, onlineSoftmax, softmaxScale } from './online-softmax.ts';

const f = Math.fround;

/** Calls `each` for every query and page: places (in f32) of the query, its output and its state; the page's address; the tokens that it sees there. */
export function eachQueryAndPage(
  q: number, qStride: number, tokens: number, group: number, headDim: number, page: number, pages: number, pageBytes: number, visible: number,
  out: number, state: number, fresh: number,
  each: (from: number, to: number, state: number, page: number, count: number, first: boolean) => void,
): void {
  for (let query = 0; query < tokens * group; query++) {
    const token = Math.floor(query / group);
    const from = (q >>> 2) + token * qStride + (query % group) * headDim;
    for (let p = 0; p < pages; p++) {
      const count = Math.min(PAGE, visible + token - p * PAGE);
      each(from, (out >>> 2) + query * headDim, (state >>> 2) + 2 * query, page + p * pageBytes, count, fresh !== 0 && p === 0);
    }
  }
}

/**
 * Over each page, with p and a of `onlineSoftmax`:
 *
 *   s[t]     = (sum over c, ascending from 0, of q[c] * keys[c][t]) * `softmaxScale`
 *   o[c]     = o[c] * a + (sum over t, ascending from 0, of p[t] * values[t][c])
 *
 * The first page with `fresh` replaces o by 0 unread. Nothing depends on tokens that a query does not see.
 */
export function attentionF32(
  memory: LinearMemory, q: number, qStride: number, tokens: number, group: number, headDim: number, scale: number,
  page: number, pages: number, pageBytes: number, visible: number, out: number, state: number, fresh: number, _scratch: number,
): void {
  const { f32 } = memory;
  const factor = softmaxScale(scale);
  const p = new Float32Array(PAGE);
  eachQueryAndPage(q, qStride, tokens, group, headDim, page, pages, pageBytes, visible, out, state, fresh, (from, to, sums, at, count, first) => {
    const keys = at >>> 2;
    const values = keys + headDim * PAGE;
    for (let t = 0; t < count; t++) {
      let dot = 0;
      for (let c = 0; c < headDim; c++) dot = f(dot + f(f32[from + c]! * f32[keys + c * PAGE + t]!));
      p[t] = f(dot * factor);
    }
    const decay = onlineSoftmax(f32, p, count, sums, first);
    for (let c = 0; c < headDim; c++) {
      let acc = 0;
      for (let t = 0; t < count; t++) acc = f(acc + f(p[t]! * f32[values + t * headDim + c]!));
      f32[to + c] = f(f((first ? 0 : f32[to + c]!) * decay) + acc);
    }
  });
}

/** m' = max(m, M), a = 2^(m - m'), b = 2^(M - m'): l = l * a + L * b, o = o * a + O * b, for the part's M, L and O. */
export function attentionMerge(
  memory: LinearMemory, out: number, state: number, part: number, partState: number, rows: number, headDim: number,
): void {
  const { f32 } = memory;
  for (let row = 0; row < rows; row++) {
    const own = (state >>> 2) + 2 * row;
    const other = (partState >>> 2) + 2 * row;
    const [m, n] = [f32[own]!, f32[other]!];
    const peak = m < n ? n : m;
    const a = exp2F32(f(m - peak));
    const b = exp2F32(f(n - peak));
    const join = (x: number, y: number): number => f(f(x * a) + f(y * b));
    f32[own] = peak;
    f32[own + 1] = join(f32[own + 1]!, f32[other + 1]!);
    for (let i = row * headDim; i < (row + 1) * headDim; i++) f32[(out >>> 2) + i] = join(f32[(out >>> 2) + i]!, f32[(part >>> 2) + i]!);
  }
}

/** o[c] / l, one division each. */
export function attentionFinish(
  memory: LinearMemory, sums: number, state: number, tokens: number, group: number, headDim: number, out: number, outStride: number,
): void {
  const { f32 } = memory;
  for (let query = 0; query < tokens * group; query++) {
    const row = (out >>> 2) + Math.floor(query / group) * outStride + (query % group) * headDim;
    const sum = f32[(state >>> 2) + 2 * query + 1]!;
    for (let c = 0; c < headDim; c++) f32[row + c] = f(f32[(sums >>> 2) + query * headDim + c]! / sum);
  }
}
