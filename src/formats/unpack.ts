import { f16ToF32 } from '../core/numeric.ts';
import { PANEL } from './descriptor.ts';
import { codeBytes, floatPanelBytes, headerBytes, headerFlags, panelBytes } from './layout.ts';
import { blockLength, type FloatFormat, type WeightFormat } from './number-format.ts';
import { blocksOf, entryBytes, type SegmentCodes } from './pack.ts';

/** Code of channel `k` (inside the block) of row `row` (inside the panel); `at` is the block's first code byte. */
function codeAt(bits: WeightFormat['bits'], panels: Uint8Array, at: number, row: number, k: number): number {
  const lane = (row & 3) * 4 + (k & 3);
  const quad = row >> 2;
  if (bits === 3) {
    const step = at + (k >> 4) * 96 + lane;
    const i = (k >> 2) & 3;
    return ((panels[step + quad * 16]! >> (2 * i)) & 3) | (((panels[step + 64 + (quad >> 1) * 16]! >> (4 * (quad & 1) + i)) & 1) << 2);
  }
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

/** The 3-bit code at bit 3r of the bytes at `at`. */
const bitsAt = (panels: Uint8Array, at: number, r: number): number =>
  ((panels[at + ((3 * r) >> 3)]! | ((panels[at + ((3 * r + 2) >> 3)]! << 8))) >> ((3 * r) & 7)) & 7;

/** The inverse of `packPanels`; arrays that the format has no use for are empty. */
export function unpackPanels(format: WeightFormat, rows: number, length: number, panels: Uint8Array): SegmentCodes {
  const blocks = blocksOf(format, length);
  const span = blockLength(format.block, length);
  const [scaleWidth, zeroWidth] = entryBytes(format);
  const shared = format.scale === 'u3' ? new Uint16Array(Math.ceil(rows / PANEL) * blocks * 4) : undefined;
  const header = headerBytes(headerFlags(format));
  const codes = new Uint8Array(rows * length);
  const scales = new Uint16Array(scaleWidth || shared ? rows * blocks : 0);
  const zeros = new Uint16Array(zeroWidth || shared ? rows * blocks : 0);
  const entry = (at: number, width: number): number => panels[at]! | (width === 2 ? panels[at + 1]! << 8 : 0);
  for (let row = 0; row < rows; row++) {
    const r = row % PANEL;
    const panel = Math.floor(row / PANEL);
    for (let block = 0; block < blocks; block++) {
      const at = panel * panelBytes(format, length) + block * (header + codeBytes(format.bits, span));
      const i = row * blocks + block;
      if (scaleWidth) scales[i] = entry(at + r * scaleWidth, scaleWidth);
      if (zeroWidth) zeros[i] = entry(at + PANEL * scaleWidth + r * zeroWidth, zeroWidth);
      if (shared) {
        scales[i] = bitsAt(panels, at + 8, r);
        zeros[i] = bitsAt(panels, at + 14, r);
        for (let j = 0; j < 4; j++) shared[(panel * blocks + block) * 4 + j] = entry(at + 2 * j, 2);
      }
      const from = block * span;
      for (let k = from; k < Math.min(length, from + span); k++) codes[row * length + k] = codeAt(format.bits, panels, at + header, r, k - from);
    }
  }
  return { rows, length, codes, scales, zeros, shared };
}

/** The inverse of `packFloatPanels`. */
export function unpackFloatPanels(rows: number, length: number, panels: Uint8Array, bits: FloatFormat['bits'] = 32): Float32Array {
  const bytes = new DataView(panels.buffer, panels.byteOffset, panels.byteLength);
  const values = new Float32Array(rows * length);
  for (let row = 0; row < rows; row++) {
    const panel = Math.floor(row / PANEL) * floatPanelBytes(length, bits);
    for (let k = 0; k < length; k++) {
      const at = panel + ((k * PANEL + (row % PANEL)) * bits) / 8;
      values[row * length + k] = bits === 32 ? bytes.getFloat32(at, true) : f16ToF32(bytes.getUint16(at, true));
    }
  }
  return values;
}
