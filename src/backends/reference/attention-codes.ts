import { f16ToF32, roundHalfEven } from '../../core/numeric.ts';
import { PAGE } from '../../formats/descriptor.ts';
import { keyDepth, packedParts, place4, place8, shift4 } from '../../formats/kv-layout.ts';
import type { LinearMemory } from '../backend.ts';
import { eachQueryAndPage } from './attention.ts';
import { onlineSoftmax, softmaxScale, sumLanes } from './online-softmax.ts';

const f = Math.fround;

/** Vectors whose largest magnitude is at most this have all codes 0: its reciprocal times a limit must be finite. */
const NEGLIGIBLE = 2 ** -100;

/** From the largest f32 on, a magnitude counts as infinite. */
const LARGEST = 3.4028234663852886e38;

/** Most of a query's or weight's code: against 4 bits in 8-bit operands, and against 8 bits in 16-bit operands, where 1,024 products stay in 31 bits. */
const LIMIT4 = 127;
const LIMIT8 = 16383;

/** x = scale * code: a = absmax, scale = a / limit, code = round(x * (limit / a)), ties to even. Where a is no finite number, the scale is NaN. */
function quantise(x: Float32Array, length: number, limit: number): { readonly codes: readonly number[]; readonly scale: number } {
  let peak = 0;
  for (let i = 0; i < length; i++) peak = Math.max(peak, Math.abs(x[i]!));
  const finite = peak < LARGEST;
  const inverse = finite && peak > NEGLIGIBLE ? f(limit / peak) : 0;
  return { codes: Array.from({ length }, (_, i) => roundHalfEven(f(x[i]! * inverse))), scale: finite ? f(peak / limit) : NaN };
}

/** The middle of 0..15. */
const MIDDLE = 7.5;

/**
 * Codes of y[i] = x[i] * s[i] with their scale, and what is to be added to scale * (sum of code[i] * w[i]) to stand for the sum of x[i] * (s[i] * w[i] + m[i]),
 * for w in 0..15:
 *
 *   offset = (sum of x[i] * (s[i] * 7.5 + m[i])) - 7.5 * (scale * f32(sum of code[i]))
 *
 * The first sum goes over i = 0 mod 4, then 1, 2, 3 mod 4, joined by `sumLanes`; that of codes is exact. So rounding is made up for as if every w were
 * in the middle: an error of a code counts by how far its w lies from there. Scale and offset are both multiplied by `factor`.
 */
function fold(memory: LinearMemory, x: (i: number) => number, length: number, scales: number, minima: number, factor: number) {
  const half = (at: number, i: number): number => f16ToF32(memory.u16[(at >>> 1) + i]!);
  const scaled = new Float32Array(length);
  const middle = new Float32Array(4);
  for (let i = 0; i < length; i++) {
    scaled[i] = x(i) * half(scales, i);
    middle[i & 3]! += f(x(i) * f(f(half(scales, i) * MIDDLE) + half(minima, i)));
  }
  const { codes, scale } = quantise(scaled, length, LIMIT4);
  const offset = f(sumLanes(middle) - f(f(scale * dot(codes, () => 1)) * MIDDLE));
  return { codes, scale: f(scale * factor), offset: f(offset * factor) };
}

/** Sum of codes[k] * at(k), exact. */
const dot = (codes: readonly number[], at: (k: number) => number): number => codes.reduce((sum, code, k) => sum + code * at(k), 0);

/**
 * Over each 8-bit page, with p and a of `onlineSoftmax`, f = `softmaxScale`, integer sums exact:
 *
 *   q    = qs * qc                       15-bit codes of the head
 *   s[t] = (f32(sum over c of qc[c] * keys[t][c]) * (qs * f)) * key scale[t]
 *   p[t] * value scale[t] = ps * pc[t]   15-bit codes of the page; 0 where p[t] is
 *   o[c]     = o[c] * a + f32(sum over t of pc[t] * values[c][t]) * ps
 */
export function attentionI8(
  memory: LinearMemory, q: number, qStride: number, tokens: number, group: number, headDim: number, scale: number,
  page: number, pages: number, pageBytes: number, visible: number, out: number, state: number, fresh: number, _scratch: number,
): void {
  const { f32, i8 } = memory;
  const factor = softmaxScale(scale);
  const p = new Float32Array(PAGE);
  eachQueryAndPage(q, qStride, tokens, group, headDim, page, pages, pageBytes, visible, out, state, fresh, (from, to, sums, keys, count, first) => {
    const values = keys + PAGE * headDim;
    const scales = (keys + 2 * PAGE * headDim) >>> 2;
    const query = quantise(f32.subarray(from, from + headDim), headDim, LIMIT8);
    const rowScale = f(query.scale * factor);
    for (let t = 0; t < count; t++) {
      p[t] = f(f(dot(query.codes, (c) => i8[keys + place8(headDim, t, c)]!)) * rowScale) * f32[scales + t]!;
    }
    const decay = onlineSoftmax(f32, p, count, sums, first);
    for (let t = 0; t < count; t++) if (p[t]! > 0) p[t]! *= f32[scales + PAGE + t]!;
    const weights = quantise(p, count, LIMIT8);
    for (let c = 0; c < headDim; c++) {
      const sum = f(f(dot(weights.codes, (t) => i8[values + place8(PAGE, c, t)]!)) * weights.scale);
      f32[to + c] = f(f((first ? 0 : f32[to + c]!) * decay) + sum);
    }
  });
}

/**
 * Over each full 4-bit page, with p and a of `onlineSoftmax`, f = `softmaxScale`, integer sums exact. A key is kc * s[c] + m[c] with s and m of its
 * group of tokens, a value vc * s[t] + m[t] with s and m of its group of channels:
 *
 *   q[c] * s[c] = qs * qc[c]             8-bit codes of the head and the group of tokens; qs and the offset of `fold` times f
 *   s[t] = f32(sum over c of qc[c] * kc[t][c]) * qs + offset
 *   p[t] * s[t] = ps * pc[t]             8-bit codes of the page and the group of channels, with its offset
 *   o[c]     = o[c] * a + (f32(sum over t of pc[t] * vc[c][t]) * ps + offset)
 */
export function attentionU4(
  memory: LinearMemory, q: number, qStride: number, tokens: number, group: number, headDim: number, scale: number,
  page: number, pages: number, pageBytes: number, keyGroup: number, valueGroup: number, out: number, state: number, fresh: number, _scratch: number,
): void {
  const { f32, u8 } = memory;
  const factor = softmaxScale(scale);
  const p = new Float32Array(PAGE);
  const parts = packedParts(headDim, keyGroup, valueGroup);
  const code = (at: number, depth: number, n: number, k: number): number => (u8[at + place4(depth, n, k)]! >>> shift4(n)) & 15;
  eachQueryAndPage(q, qStride, tokens, group, headDim, page, pages, pageBytes, pages * PAGE, out, state, fresh, (from, to, sums, at, _count, first) => {
    for (let g = 0; g * keyGroup < PAGE; g++) {
      const side = 2 * g * headDim;
      const query = fold(memory, (c) => f32[from + c]!, headDim, at + parts.keyScales + side, at + parts.keyMinima + side, factor);
      for (let t = g * keyGroup; t < (g + 1) * keyGroup; t++) {
        p[t] = f(f(dot(query.codes, (c) => code(at, keyDepth(headDim), t, c))) * query.scale) + query.offset;
      }
    }
    const decay = onlineSoftmax(f32, p, PAGE, sums, first);
    for (let g = 0; g * valueGroup < headDim; g++) {
      const side = 2 * g * PAGE;
      const weights = fold(memory, (t) => p[t]!, PAGE, at + parts.valueScales + side, at + parts.valueMinima + side, 1);
      for (let c = g * valueGroup; c < Math.min((g + 1) * valueGroup, headDim); c++) {
        const sum = f(f(f(dot(weights.codes, (t) => code(at + parts.values, PAGE, c, t))) * weights.scale) + weights.offset);
        f32[to + c] = f(f((first ? 0 : f32[to + c]!) * decay) + sum);
      }
    }
  });
}
