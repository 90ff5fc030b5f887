import { PAGE, VALUE_GROUP, KEY_GROUP } from './descriptor.ts';

/*
 * One KV head of a page (PAGE = 64 tokens, D = headDim, a multiple of 8). Keys lie channel-major, so that lanes are tokens.
 *
 *   f32:  keys f32 [D][64], values f32 [64][D]                                  (the tile itself)
 *   8:    keys i8 [D][64], values i8 [64][D], key scales f32 [64], value scales f32 [64]
 *   4:    keys u4 [D][32], byte i = token i | token (32 + i) << 4
 *         values u4 [64][D/2], byte i = channel i | channel (D/2 + i) << 4
 *         key scales f16 [D][2][2]: (scale, minimum) of tokens 0..31, then of tokens 32..63
 *         value scales f16 [64][2P][2]: (scale, minimum) of each group of 32 channels in the lower half, then in the upper; P = ceil(D/2 / 32)
 *
 * Every part starts at a multiple of 16 bytes.
 */

/** Groups of channels per half of a head with a V scale of their own. */
export const valueGroups = (headDim: number): number => Math.ceil(headDim / 2 / VALUE_GROUP);

/** Bytes of one head of one page. */
export function kvHeadBytes(bits: 4 | 8 | 32, headDim: number): number {
  if (bits === 32) return 2 * PAGE * headDim * 4;
  if (bits === 8) return 2 * PAGE * headDim + 2 * PAGE * 4;
  return PAGE * headDim + headDim * (PAGE / KEY_GROUP) * 4 + PAGE * 2 * valueGroups(headDim) * 4;
}
