import { HEADER_INT_ZERO, HEADER_MIN, HEADER_TWO_LEVEL, PANEL } from './descriptor.ts';
import { headerFlags, padded } from './layout.ts';
import type { WeightFormat } from './number-format.ts';

/** Quantised rows of one segment before they are packed. Blocks of a row: `blocksOf(format, length)`. */
export interface SegmentCodes {
  readonly rows: number;
  /** Channels. */
  readonly length: number;
  /** u8 [rows, length]. */
  readonly codes: Uint8Array;
  /** [rows, blocks]: f16 bits, or the u8 code of a two-level scale. */
  readonly scales: Uint16Array;
  /** [rows, blocks]: a u8 zero point, or a minimum as f16 bits or as the byte of an i8; empty for `mid`. */
  readonly zeros: Uint16Array;
}

/** Blocks of a row of `length` channels. */
export const blocksOf = (format: WeightFormat, length: number): number => Math.ceil(length / format.block);

/** Bytes of an entry of `scales` and of `zeros` in a block's header. */
export function entryBytes(format: WeightFormat): readonly [scale: number, zero: number] {
  const flags = headerFlags(format);
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

const WRITERS: Readonly<Record<WeightFormat['bits'], WriteCodes>> = { 4: writeU4, 6: writeU6, 8: writeU8 };

/** One header array of a block: entries of 16 rows, little-endian, zero below the last row. */
function writeEntries(entries: Uint16Array, row: number, rows: number, blocks: number, block: number, width: number, out: Uint8Array, at: number): void {
  for (let r = 0; r < PANEL; r++) {
    const bits = row + r < rows ? entries[(row + r) * blocks + block]! : 0;
    out[at + r * width] = bits & 0xff;
    if (width === 2) out[at + r * 2 + 1] = bits >> 8;
  }
}

/** Packs rows, the first of which starts a panel, into `out`: `ceil(rows / 16)` panels of `panelBytes(format, length)` bytes. */
export function packPanels(format: WeightFormat, source: SegmentCodes, out: Uint8Array): void {
  const { rows, length, codes } = source;
  const blocks = blocksOf(format, length);
  const [scaleWidth, zeroWidth] = entryBytes(format);
  const write = WRITERS[format.bits];
  const scratch = new Uint8Array(PANEL * format.block);
  let at = 0;
  for (let row = 0; row < rows; row += PANEL) {
    for (let block = 0; block < blocks; block++) {
      writeEntries(source.scales, row, rows, blocks, block, scaleWidth, out, at);
      at += PANEL * scaleWidth;
      if (zeroWidth) writeEntries(source.zeros, row, rows, blocks, block, zeroWidth, out, at);
      at += PANEL * zeroWidth;
      const from = block * format.block;
      const to = Math.min(length, from + format.block);
      const stride = padded(to - from);
      const tile = scratch.subarray(0, PANEL * stride).fill(0);
      for (let r = 0; r < Math.min(PANEL, rows - row); r++) tile.set(codes.subarray((row + r) * length + from, (row + r) * length + to), r * stride);
      at = write(tile, stride, out, at);
    }
  }
}

/** Packs f32 rows [rows, length] into panels [length][16], zero below the last row. */
export function packFloatPanels(values: Float32Array, rows: number, length: number, out: Uint8Array): void {
  const panel = new Float32Array(length * PANEL);
  const bytes = new Uint8Array(panel.buffer);
  for (let row = 0, at = 0; row < rows; row += PANEL, at += bytes.length) {
    panel.fill(0);
    for (let r = 0; r < Math.min(PANEL, rows - row); r++) {
      for (let k = 0; k < length; k++) panel[k * PANEL + r] = values[(row + r) * length + k]!;
    }
    out.set(bytes, at);
  }
}
