import { PANEL } from './descriptor.ts';
import { codeBytes, headerBytes, headerFlags, panelBytes } from './layout.ts';
import type { WeightFormat } from './number-format.ts';
import { blocksOf, entryBytes, type SegmentCodes } from './pack.ts';

/** Code of channel `k` (inside the block) of row `row` (inside the panel); `at` is the block's first code byte. */
function codeAt(bits: WeightFormat['bits'], panels: Uint8Array, at: number, row: number, k: number): number {
  const lane = (row & 3) * 4 + (k & 3);
  const quad = row >> 2;
  const nibble = (vector: number): number => (panels[vector + lane]! >> (k & 4)) & 15;
  if (bits === 4) return nibble(at + (k >> 3) * 64 + quad * 16);
  if (bits === 8) {
    const vector = at + (k >> 3) * 128 + quad * 32;
    return nibble(vector) | (nibble(vector + 16) << 4);
  }
  const vector = at + (k >> 4) * 192 + quad * 48;
  const top = (panels[vector + 32 + lane]! >> (2 * ((k >> 2) & 3))) & 3;
  return nibble(vector + ((k >> 3) & 1) * 16) | (top << 4);
}

/** The inverse of `packPanels`. */
export function unpackPanels(format: WeightFormat, rows: number, length: number, panels: Uint8Array): SegmentCodes {
  const blocks = blocksOf(format, length);
  const [scaleWidth, zeroWidth] = entryBytes(format);
  const header = headerBytes(headerFlags(format));
  const codes = new Uint8Array(rows * length);
  const scales = new Uint16Array(rows * blocks);
  const zeros = new Uint16Array(zeroWidth ? rows * blocks : 0);
  const entry = (at: number, width: number): number => panels[at]! | (width === 2 ? panels[at + 1]! << 8 : 0);
  for (let row = 0; row < rows; row++) {
    const r = row % PANEL;
    for (let block = 0; block < blocks; block++) {
      const at = Math.floor(row / PANEL) * panelBytes(format, length) + block * (header + codeBytes(format.bits, format.block));
      scales[row * blocks + block] = entry(at + r * scaleWidth, scaleWidth);
      if (zeroWidth) zeros[row * blocks + block] = entry(at + PANEL * scaleWidth + r * zeroWidth, zeroWidth);
      const from = block * format.block;
      for (let k = from; k < Math.min(length, from + format.block); k++) codes[row * length + k] = codeAt(format.bits, panels, at + header, r, k - from);
    }
  }
  return { rows, length, codes, scales, zeros };
}

/** The inverse of `packFloatPanels`. */
export function unpackFloatPanels(rows: number, length: number, panels: Uint8Array): Float32Array {
  const bytes = new DataView(panels.buffer, panels.byteOffset, panels.byteLength);
  const values = new Float32Array(rows * length);
  for (let row = 0; row < rows; row++) {
    for (let k = 0; k < length; k++) values[row * length + k] = bytes.getFloat32((Math.floor(row / PANEL) * length + k) * PANEL * 4 + (row % PANEL) * 4, true);
  }
  return values;
}
