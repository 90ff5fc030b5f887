import { PAGE } from './descriptor.ts';
import { KV8, type KvFormat } from './number-format.ts';

/*
 * One KV head of a page (PAGE = 64 tokens, D = headDim, a multiple of 8). Keys lie channel-major, so that lanes are tokens.
 * G = 64 / keyGroup, P = ceil(D/2 / valueGroup).
 *
 *   f32:  keys f32 [D][64], values f32 [64][D]                                  (the tile itself)
 *   8:    keys i8 [D][64], values i8 [64][D], key scales f32 [64], value scales f32 [64]
 *   4:    keys u4 [D][32], byte i = token i | token (32 + i) << 4
 *         values u4 [64][D/2], byte i = channel i | channel (D/2 + i) << 4
 *         key scales f16 [D][G][2]: (scale, minimum) of each group of tokens
 *         value scales f16 [64][2P][2]: (scale, minimum) of each group of channels in the lower half, then in the upper
 *
 * Every part starts at a multiple of 16 bytes.
 */

/** Groups of channels per half of a head with a V scale of their own. */
export const valueGroups = (headDim: number, valueGroup: number): number => Math.ceil(headDim / 2 / valueGroup);

/** Bytes of one head of one 4-bit page. */
export const packedHeadBytes = (headDim: number, keyGroup: number, valueGroup: number): number =>
  PAGE * headDim + headDim * (PAGE / keyGroup) * 4 + PAGE * 2 * valueGroups(headDim, valueGroup) * 4;

/** Bytes of one head of one closed page. */
export function kvHeadBytes(format: KvFormat, headDim: number): number {
  if (format.bits === 32) return 2 * PAGE * headDim * 4;
  if (format.bits === 8) return 2 * PAGE * headDim + 2 * PAGE * 4;
  return packedHeadBytes(headDim, format.keyGroup, format.valueGroup);
}

/** The form of the page being filled. */
export const openFormat = (format: KvFormat): KvFormat => (format.bits === 4 ? KV8 : format);

/** Pages from page 0 on that keep the form in which they were filled. */
export function keptPages(format: KvFormat): number {
  if (format.bits !== 4) return Infinity;
  return format.firstPage === 8 ? 1 : 0;
}
