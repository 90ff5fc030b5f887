import { HEADER_INT_ZERO, HEADER_MIN, HEADER_ROW, HEADER_SHARED, HEADER_TWO_LEVEL, PANEL } from './descriptor.ts';
import { blockLength, isGrid, type FloatFormat, type WeightFormat } from './number-format.ts';

/*
 * Panel layout of a segment. A panel is 16 rows; panels follow one another. Inside a panel, blocks of K in ascending order:
 *
 *   block  = header, codes
 *   header = 16 scales (f16: 32 bytes, u8: 16), then 16 zeros (u8: 16 bytes) or 16 minima (f16: 32, i8: 16) or nothing
 *   codes  = steps of K; a block's K is padded to a multiple of 16 with code 0
 *
 * A vector is 16 bytes: 4 rows (a quad) by 4 bytes; byte 4r + j belongs to row r of the quad. In steps of 8 K (u4, u8) or 16 K (u6), quads 0..3:
 *
 *   u4: 1 vector,  byte j = q[k + j] | q[k + 4 + j] << 4
 *   u8: 2 vectors, the low nibbles as u4, then the high nibbles as u4
 *   u6: 3 vectors, low nibbles of K 0..7 as u4, low nibbles of K 8..15 as u4, then the top two bits: byte j = sum over i of (q[k + 4i + j] >> 4) << 2i
 *
 * In linear memory u6 lies otherwise, in the same bytes (`repackU6` runs at load): K 0..3, 4..7 and 8..11 whole in a vector each, and of K 12..15 two bits in
 * the top of each: byte j of vector i = q[k + 4i + j] | ((q[k + 12 + j] >> 2i) & 3) << 6. Three of four unpack by one mask.
 *
 *   u3: steps of 16 K: 4 vectors (quads 0..3) of the low two bits: byte 4r + j = sum over i of (q[k + 4i + j] & 3) << 2i, then 2 vectors of the top
 *       bits: byte 4r + j of vector v holds those of quads 2v (bits 0..3) and 2v + 1 (bits 4..7), bit i = q[k + 4i + j] >> 2
 *
 * Scales of 3 bits (`u3`): header = f16 scale step, scale minimum, zero step, zero minimum, then 16 codes of scales and 16 of zeros, 3 bits each: row r at
 * bit 3r of 6 bytes. s = step * code + minimum, z alike.
 * One scale per row (`bf16`): no headers; blocks are as long as ROW_BLOCK.
 *
 * f32 and f16 segments: panel = [K][16].
 */

export const ceilTo = (value: number, unit: number): number => Math.ceil(value / unit) * unit;

/** Rows (or channels) rounded up to whole panels. */
export const padded = (count: number): number => ceilTo(count, PANEL);

const SCALE_FLAGS: Readonly<Record<WeightFormat['scale'], number>> = {
  f16: 0, u8: HEADER_TWO_LEVEL, bf16: HEADER_TWO_LEVEL | HEADER_ROW, u3: HEADER_SHARED,
};
const ZERO_FLAGS: Readonly<Record<WeightFormat['zero'], number>> = { mid: 0, int: HEADER_INT_ZERO, min: HEADER_MIN, u3: 0 };

export const headerFlags = (format: WeightFormat): number => SCALE_FLAGS[format.scale] | ZERO_FLAGS[format.zero];

/** Bytes of scales and zeros on shared grids: four f16, 32 codes of 3 bits. */
const SHARED_BYTES = 20;

/** Bytes of scales and zeros in front of each block's codes. */
export function headerBytes(flags: number): number {
  if (flags & HEADER_ROW) return 0;
  if (flags & HEADER_SHARED) return SHARED_BYTES;
  const level = flags & HEADER_TWO_LEVEL ? PANEL : 2 * PANEL;
  return level + (flags & HEADER_INT_ZERO ? PANEL : 0) + (flags & HEADER_MIN ? level : 0);
}

/** Bytes of a block's codes for `length` channels. */
export const codeBytes = (bits: number, length: number): number => (PANEL * padded(length) * bits) / 8;

/** Bytes of one panel of a segment of codes of `length` channels. */
export function panelBytes(format: WeightFormat, length: number): number {
  const blocks = Math.ceil(length / blockLength(format.block, length));
  return blocks * headerBytes(headerFlags(format)) + codeBytes(format.bits, length);
}

/** Bytes of one panel of f32 or f16 weights. */
export const floatPanelBytes = (length: number, bits: FloatFormat['bits'] = 32): number => (PANEL * bits * length) / 8;

/** Bytes of one panel of a segment of either kind. */
export const segmentPanelBytes = (format: WeightFormat | FloatFormat, length: number): number =>
  isGrid(format) ? panelBytes(format, length) : floatPanelBytes(length, format.bits);
