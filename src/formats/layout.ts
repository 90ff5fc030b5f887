import { HEADER_INT_ZERO, HEADER_MIN, HEADER_TWO_LEVEL, PANEL } from './descriptor.ts';
import type { FloatFormat, WeightFormat } from './number-format.ts';

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
 * f32 segments: panel = [K][16] f32.
 */

export const ceilTo = (value: number, unit: number): number => Math.ceil(value / unit) * unit;

/** Rows (or channels) rounded up to whole panels. */
export const padded = (count: number): number => ceilTo(count, PANEL);

export function headerFlags(format: WeightFormat): number {
  return (format.scale === 'u8' ? HEADER_TWO_LEVEL : 0) | (format.zero === 'int' ? HEADER_INT_ZERO : 0) | (format.zero === 'min' ? HEADER_MIN : 0);
}

/** Bytes of scales and zeros in front of each block's codes. */
export function headerBytes(flags: number): number {
  const level = flags & HEADER_TWO_LEVEL ? PANEL : 2 * PANEL;
  return level + (flags & HEADER_INT_ZERO ? PANEL : 0) + (flags & HEADER_MIN ? level : 0);
}

/** Bytes of a block's codes for `length` channels. */
export const codeBytes = (bits: number, length: number): number => (PANEL * padded(length) * bits) / 8;

/** Bytes of one panel of a quantised segment of `length` channels. */
export function panelBytes(format: WeightFormat, length: number): number {
  const blocks = Math.ceil(length / format.block);
  return blocks * headerBytes(headerFlags(format)) + codeBytes(format.bits, length);
}

/** Bytes of one panel of f32 weights. */
export const floatPanelBytes = (length: number): number => PANEL * 4 * length;

/** Bytes of one panel of a segment of either kind. */
export const segmentPanelBytes = (format: WeightFormat | FloatFormat, length: number): number =>
  format.bits === 32 ? floatPanelBytes(length) : panelBytes(format, length);
