import { bitsOf, fromBits } from '../core/numeric.ts';
import { isGrid, type FloatFormat, type WeightFormat } from './number-format.ts';

/*
 * Two-level scales and those of whole rows have one u32 per row: bfloat16 scale in the low half, bfloat16 minimum (step) in the high half. Expanding them
 * takes one shift and one mask. Nothing is lost by 8 bits of mantissa: codes are fitted to the scales as stored.
 */

/** Bytes of one row's pair. */
export const ROW_SCALE_BYTES = 4;

/** The smallest bfloat16 that is not below x, for finite x >= 0: a step rounded up still reaches the largest scale of its row. */
export const bf16Above = (x: number): number => fromBits((bitsOf(Math.fround(x)) + 0xffff) & 0xffff0000);

/** Pairs (scale, minimum), both bfloat16 values, as words [rows]. */
export const packRowScales = (pairs: Float32Array): Uint32Array =>
  Uint32Array.from({ length: pairs.length / 2 }, (_, row) => (bitsOf(pairs[2 * row]!) >>> 16) | (bitsOf(pairs[2 * row + 1]!) & 0xffff0000));

/** Pairs (scale, minimum) of words. */
export const unpackRowScales = (words: Uint32Array): Float32Array =>
  Float32Array.from({ length: 2 * words.length }, (_, i) => fromBits(i % 2 ? words[i >>> 1]! & 0xffff0000 : words[i >>> 1]! << 16));

/** Whether a format has such a pair per row. */
export const hasRowScales = (format: WeightFormat | FloatFormat): boolean => isGrid(format) && (format.scale === 'u8' || format.scale === 'bf16');
