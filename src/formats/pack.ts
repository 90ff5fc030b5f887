import { f32ToF16 } from '../core/numeric.ts';
import { HEADER_INT_ZERO, HEADER_MIN, HEADER_ROW, HEADER_SHARED, HEADER_TWO_LEVEL, PANEL } from './descriptor.ts';
import { headerBytes, headerFlags, padded } from './layout.ts';
import { blockLength, type FloatFormat, type WeightFormat } from './number-format.ts';

/** Quantised rows of one segment before they are packed. Blocks of a row: `blocksOf(format, length)`. */
export interface SegmentCodes {
  readonly rows: number;
  /** Channels. */
  readonly length: number;
  /** u8 [rows, length]. */
  readonly codes: Uint8Array;
  /** [rows, blocks]: f16 bits, the u8 code of a two-level scale or the 3-bit code of a shared grid; not read for `bf16`, whose scales are the rows' alone. */
  readonly scales: Uint16Array;
  /** [rows, blocks]: a u8 zero point, a minimum as f16 bits or as the byte of an i8, or the 3-bit code of a shared grid; not read for `mid` and `bf16`. */
  readonly zeros: Uint16Array;
  /** Only `u3`: f16 bits [panels of 16 rows, blocks, 4] of the grids: scale step, scale minimum, zero step, zero minimum. */
  readonly shared?: Uint16Array | undefined;
}

/** Blocks of a row of `length` channels. */
export const blocksOf = (format: WeightFormat, length: number): number => Math.ceil(length / blockLength(format.block, length));

/** Bytes of an entry of `scales` and of `zeros` in a block's header; none where there is no header or entries are bits. */
export function entryBytes(format: WeightFormat): readonly [scale: number, zero: number] {
  const flags = headerFlags(format);
  if (flags & (HEADER_ROW | HEADER_SHARED)) return [0, 0];
  const scale = flags & HEADER_TWO_LEVEL ? 1 : 2;
  return [scale, flags & HEADER_INT_ZERO ? 1 : flags & HEADER_MIN ? scale : 0];
}

/** Writes the codes of 16 rows of a block, `tile` u8 [16, stride], as `formats/layout.ts` draws them; returns the end. */
type WriteCodes = (tile: Uint8Array, stride: number, out: Uint8Array, at: number) => number;

function writeU4(tile: Uint8Array, stride: number, out: Uint8Array, at: number): number {
  for (let k = 0; k < stride; k += 8) {
    for (let row = 0; row < PANEL * stride; row += stride) {
      for (let i = row + k; i < row + k + 4; i++) out[at++] = tile[i]! | (tile[i + 4]! << 4);
    }
  }
  return at;
}

function writeU8(tile: Uint8Array, stride: number, out: Uint8Array, at: number): number {
  for (let k = 0; k < stride; k += 8) {
    for (let row = 0; row < PANEL; row++) {
      const from = row * stride + k;
      const to = at + (row >> 2) * 32 + (row & 3) * 4;
      for (let j = 0; j < 4; j++) {
        const [a, b] = [tile[from + j]!, tile[from + 4 + j]!];
        out[to + j] = (a & 15) | ((b & 15) << 4);
        out[to + 16 + j] = (a >> 4) | (b & 0xf0);
      }
    }
    at += PANEL * 8;
  }
  return at;
}

function writeU6(tile: Uint8Array, stride: number, out: Uint8Array, at: number): number {
  for (let k = 0; k < stride; k += 16) {
    for (let row = 0; row < PANEL; row++) {
      const from = row * stride + k;
      const to = at + (row >> 2) * 48 + (row & 3) * 4;
      for (let j = from; j < from + 4; j++) {
        const [a, b, c, d] = [tile[j]!, tile[j + 4]!, tile[j + 8]!, tile[j + 12]!];
        out[to + j - from] = (a & 15) | ((b & 15) << 4);
        out[to + 16 + j - from] = (c & 15) | ((d & 15) << 4);
        out[to + 32 + j - from] = (a >> 4) | ((b >> 4) << 2) | ((c >> 4) << 4) | ((d >> 4) << 6);
      }
    }
    at += PANEL * 12;
  }
  return at;
}

function writeU3(tile: Uint8Array, stride: number, out: Uint8Array, at: number): number {
  for (let k = 0; k < stride; k += 16, at += PANEL * 6) {
    out.fill(0, at + 64, at + 96);
    for (let row = 0; row < PANEL; row++) {
      const from = row * stride + k;
      const lane = (row & 3) * 4;
      const [low, top] = [at + (row >> 2) * 16 + lane, at + 64 + (row >> 3) * 16 + lane];
      for (let j = 0; j < 4; j++) {
        const [a, b, c, d] = [tile[from + j]!, tile[from + 4 + j]!, tile[from + 8 + j]!, tile[from + 12 + j]!];
        out[low + j] = (a & 3) | ((b & 3) << 2) | ((c & 3) << 4) | ((d & 3) << 6);
        out[top + j]! |= ((a >> 2) | ((b >> 2) << 1) | ((c >> 2) << 2) | ((d >> 2) << 3)) << (row & 4);
      }
    }
  }
  return at;
}

const WRITERS: Readonly<Record<WeightFormat['bits'], WriteCodes>> = { 3: writeU3, 4: writeU4, 6: writeU6, 8: writeU8 };

/** One header array of a block: entries of 16 rows, little-endian, zero below the last row. */
function writeEntries(entries: Uint16Array, row: number, rows: number, blocks: number, block: number, width: number, out: Uint8Array, at: number): void {
  for (let r = 0; r < PANEL; r++) {
    const bits = row + r < rows ? entries[(row + r) * blocks + block]! : 0;
    out[at + r * width] = bits & 0xff;
    if (width === 2) out[at + r * 2 + 1] = bits >> 8;
  }
}

/** Codes of 3 bits of 16 rows: row r at bit 3r of 6 bytes, zero below the last row. */
function writeBits(entries: Uint16Array, row: number, rows: number, blocks: number, block: number, out: Uint8Array, at: number): void {
  out.fill(0, at, at + 6);
  for (let bit = 0; bit < 3 * PANEL; bit++) {
    const r = row + Math.floor(bit / 3);
    if (r < rows) out[at + (bit >> 3)]! |= ((entries[r * blocks + block]! >> (bit % 3)) & 1) << (bit & 7);
  }
}

/** The header of a block with shared grids. */
function writeShared(source: SegmentCodes, row: number, blocks: number, block: number, out: Uint8Array, at: number): void {
  const grid = ((row / PANEL) * blocks + block) * 4;
  for (let i = 0; i < 4; i++) {
    const bits = source.shared![grid + i]!;
    out[at + 2 * i] = bits & 0xff;
    out[at + 2 * i + 1] = bits >> 8;
  }
  writeBits(source.scales, row, source.rows, blocks, block, out, at + 8);
  writeBits(source.zeros, row, source.rows, blocks, block, out, at + 14);
}

/** Packs rows, the first of which starts a panel, into `out`: `ceil(rows / 16)` panels of `panelBytes(format, length)` bytes. */
export function packPanels(format: WeightFormat, source: SegmentCodes, out: Uint8Array): void {
  const { rows, length, codes } = source;
  const blocks = blocksOf(format, length);
  const [scaleWidth, zeroWidth] = entryBytes(format);
  const header = headerBytes(headerFlags(format));
  const write = WRITERS[format.bits];
  const span = blockLength(format.block, length);
  const scratch = new Uint8Array(PANEL * padded(span));
  let at = 0;
  for (let row = 0; row < rows; row += PANEL) {
    for (let block = 0; block < blocks; block++) {
      if (format.scale === 'u3') writeShared(source, row, blocks, block, out, at);
      if (scaleWidth) writeEntries(source.scales, row, rows, blocks, block, scaleWidth, out, at);
      if (zeroWidth) writeEntries(source.zeros, row, rows, blocks, block, zeroWidth, out, at + PANEL * scaleWidth);
      at += header;
      const from = block * span;
      const to = Math.min(length, from + span);
      const stride = padded(to - from);
      const tile = scratch.subarray(0, PANEL * stride).fill(0);
      for (let r = 0; r < Math.min(PANEL, rows - row); r++) tile.set(codes.subarray((row + r) * length + from, (row + r) * length + to), r * stride);
      at = write(tile, stride, out, at);
    }
  }
}

/** Packs f32 rows [rows, length] into panels [length][16] of f32 or f16, zero below the last row. */
export function packFloatPanels(values: Float32Array, rows: number, length: number, out: Uint8Array, bits: FloatFormat['bits'] = 32): void {
  const panel = bits === 32 ? new Float32Array(length * PANEL) : new Uint16Array(length * PANEL);
  const bytes = new Uint8Array(panel.buffer);
  for (let row = 0, at = 0; row < rows; row += PANEL, at += bytes.length) {
    panel.fill(0);
    for (let r = 0; r < Math.min(PANEL, rows - row); r++) {
      for (let k = 0; k < length; k++) {
        const value = values[(row + r) * length + k]!;
        panel[k * PANEL + r] = bits === 32 ? value : f32ToF16(value);
      }
    }
    out.set(bytes, at);
  }
}
