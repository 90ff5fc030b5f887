import { PAGE } from './descriptor.ts';
import { padded } from './layout.ts';
import { KV8, isCodes, isPaged, type KvCodesFormat, type KvFormat } from './number-format.ts';

/*
 * One KV head of a page (PAGE = 64 tokens, D = headDim, a multiple of 8; Dp = D up to a multiple of 16).
 * G = 64 / keyGroup, H = ceil(D / valueGroup).
 *
 * Codes are matrices [N][K] for dot products along K, whose lanes are rows: keys are [64 tokens][D channels], values [D channels][64 tokens].
 *
 *   f32:  keys f32 [D][64], values f32 [64][D]
 *   8:    keys i8, values i8: vectors of 4 rows by 2 columns (`place8`)
 *         key scales f32 [64], value scales f32 [64]
 *   4:    keys u4 (K = Dp; codes of columns D and later mean nothing), values u4: vectors of 8 rows by 4 columns (`place4`), of which the low nibbles
 *         are the first 4 rows; all 8 are of one group
 *         key scales f16 [G][D], key minima f16 [G][D]: of a channel and a group of tokens
 *         value scales f16 [H][64], value minima f16 [H][64]: of a token and a group of channels
 *
 * Codes that attention expands to an f32 page lie token by token, and so do those of 4 bits: byte c of a token has channel c in its low nibble and channel
 * D / 2 + c, its partner in RoPE, in the high one.
 *
 *   codes:  keys u8 [64][D] or [64][D / 2], values the same
 *           with `token`: key scales, key minima, value scales, value minima f16 [64]
 *
 * Every part starts at a multiple of 16 bytes.
 */

/** Byte of row n, column k among `depth` columns. */
export const place8 = (depth: number, n: number, k: number): number => ((n >>> 2) * (depth >>> 1) + (k >>> 1)) * 8 + (n & 3) * 2 + (k & 1);

/** The same with two codes to a byte: row n has the nibble at bit `shift4(n)`. */
export const place4 = (depth: number, n: number, k: number): number => ((n >>> 3) * (depth >>> 2) + (k >>> 2)) * 16 + (n & 3) * 4 + (k & 3);
export const shift4 = (n: number): number => n & 4;

/** Groups of channels of a head with a V scale of their own. */
const valueGroups = (headDim: number, valueGroup: number): number => Math.ceil(headDim / valueGroup);

/** Columns of a 4-bit page's keys. */
export const keyDepth = (headDim: number): number => padded(headDim);

/** Byte offsets of the parts of one head of one 4-bit page, and its length. */
export function packedParts(headDim: number, keyGroup: number, valueGroup: number): {
  readonly values: number; readonly keyScales: number; readonly keyMinima: number; readonly valueScales: number; readonly valueMinima: number; readonly bytes: number;
} {
  const values = (PAGE / 2) * keyDepth(headDim);
  const keyScales = values + (PAGE / 2) * headDim;
  const keyMinima = keyScales + (PAGE / keyGroup) * headDim * 2;
  const valueScales = keyMinima + (PAGE / keyGroup) * headDim * 2;
  const valueMinima = valueScales + valueGroups(headDim, valueGroup) * PAGE * 2;
  return { values, keyScales, keyMinima, valueScales, valueMinima, bytes: 2 * valueMinima - valueScales };
}

/** Byte offsets of the parts of one head of a page of codes, and its length. With `static` there are no scales and minima. */
export function codesParts(headDim: number, bits: KvCodesFormat['bits'], per: KvCodesFormat['per']): {
  readonly values: number; readonly keyScales: number; readonly keyMinima: number; readonly valueScales: number; readonly valueMinima: number; readonly bytes: number;
} {
  const values = (PAGE * headDim * bits) / 8;
  const side = per === 'token' ? 2 * PAGE : 0;
  const keyScales = 2 * values;
  return { values, keyScales, keyMinima: keyScales + side, valueScales: keyScales + 2 * side, valueMinima: keyScales + 3 * side, bytes: keyScales + 4 * side };
}

/** Byte and shift of a channel of a token in a matrix of codes. */
export function placeCode(bits: number, headDim: number, token: number, c: number): readonly [byte: number, shift: number] {
  const half = headDim / 2;
  return bits === 8 ? [token * headDim + c, 0] : [token * half + (c % half), c < half ? 0 : 4];
}

/** Bytes of one head of one closed page. */
export function kvHeadBytes(format: KvFormat, headDim: number): number {
  if (isCodes(format)) return codesParts(headDim, format.bits, format.per).bytes;
  if (format.bits === 32) return 2 * PAGE * headDim * 4;
  if (format.bits === 8) return 2 * PAGE * headDim + 2 * PAGE * 4;
  return packedParts(headDim, format.keyGroup, format.valueGroup).bytes;
}

/** The form of the page being filled. */
export const openFormat = (format: KvFormat): KvFormat => (isPaged(format) ? KV8 : format);

/** Pages from page 0 on that keep the form in which they were filled. */
export function keptPages(format: KvFormat): number {
  if (!isPaged(format)) return Infinity;
  return format.firstPage === 8 ? 1 : 0;
}
