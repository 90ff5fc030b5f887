import { f16ToF32, fromBits } from '../../core/numeric.ts';
import {
  HEADER_INT_ZERO, HEADER_MIN, HEADER_ROW, HEADER_SHARED, HEADER_TWO_LEVEL, PANEL, SEGMENT_BYTES, SEG_ACT_BITS, SEG_ACT_BLOCK, SEG_CENTRES, SEG_CLIP, SEG_DATA,
  SEG_FIRST_BLOCK, SEG_FOLD, SEG_FROM, SEG_HEADER, SEG_LENGTH, SEG_OUTLIERS, SEG_PANEL_BYTES, SEG_ROW_SCALES, SEG_STATIC, SEG_WEIGHT_BITS, SEG_WEIGHT_BLOCK,
} from '../../formats/descriptor.ts';
import { codeBytes, headerBytes } from '../../formats/layout.ts';
import type { LinearMemory } from '../backend.ts';

const f = Math.fround;

/** A segment descriptor read back from linear memory. */
export interface SegmentView {
  readonly from: number;
  readonly length: number;
  readonly weightBlock: number;
  readonly actBlock: number;
  readonly fold: number;
  readonly weightBits: number;
  readonly actBits: number;
  readonly header: number;
  readonly data: number;
  readonly panelBytes: number;
  readonly rowScales: number;
  readonly firstBlock: number;
  readonly clip: number;
  readonly centres: number;
  readonly actScales: number;
  readonly outliers: number;
}

export function readSegment(memory: LinearMemory, table: number, index: number): SegmentView {
  const at = table + index * SEGMENT_BYTES;
  const field = (offset: number): number => memory.i32[(at + offset) >>> 2]! >>> 0;
  return {
    from: field(SEG_FROM), length: field(SEG_LENGTH), weightBlock: field(SEG_WEIGHT_BLOCK), actBlock: field(SEG_ACT_BLOCK),
    weightBits: field(SEG_WEIGHT_BITS), actBits: field(SEG_ACT_BITS), header: field(SEG_HEADER), data: field(SEG_DATA),
    panelBytes: field(SEG_PANEL_BYTES), rowScales: field(SEG_ROW_SCALES), firstBlock: field(SEG_FIRST_BLOCK),
    fold: field(SEG_FOLD), centres: field(SEG_CENTRES), actScales: field(SEG_STATIC),
    clip: memory.f32[(at + SEG_CLIP) >>> 2]!, outliers: memory.f32[(at + SEG_OUTLIERS) >>> 2]!,
  };
}

/** Address of block `block` (counted inside the segment) of panel `panel`. */
export const blockAddress = (s: SegmentView, panel: number, block: number): number =>
  s.data + panel * s.panelBytes + block * (headerBytes(s.header) + codeBytes(s.weightBits, s.weightBlock));

/** Code of 3 bits of a row in 6 bytes. */
const bits3At = (memory: LinearMemory, at: number, row: number): number => {
  const byte = at + ((3 * row) >>> 3);
  return ((memory.u8[byte]! | (memory.u8[byte + 1]! << 8)) >>> ((3 * row) & 7)) & 7;
};

/** Effective scale and offset of one row (0..15 in its panel) of a block: weight = s * q + m. */
export function scaleAndOffset(memory: LinearMemory, s: SegmentView, block: number, panel: number, row: number): readonly [number, number] {
  const half = (address: number): number => f16ToF32(memory.u16[address >>> 1]!);
  if (s.header & HEADER_SHARED) {
    const on = (grid: number, codes: number): number => f(f(half(grid) * bits3At(memory, codes, row)) + half(grid + 2));
    const scale = on(block, block + 8);
    return [scale, -f(scale * on(block + 4, block + 14))];
  }
  const twoLevel = s.header & HEADER_TWO_LEVEL;
  if (s.header & HEADER_ROW) {
    const [scale, minimum] = rowFactors(memory, s, panel, row);
    return [scale, s.header & HEADER_MIN ? minimum : -f(scale * (1 << (s.weightBits - 1)))];
  }
  const pair = memory.i32[(s.rowScales >>> 2) + panel * PANEL + row]!;
  const scale = twoLevel ? f(fromBits(pair << 16) * memory.u8[block + row]!) : half(block + 2 * row);
  const zeros = block + (twoLevel ? PANEL : 2 * PANEL);
  if (s.header & HEADER_INT_ZERO) return [scale, -f(scale * memory.u8[zeros + row]!)];
  if (s.header & HEADER_MIN) return [scale, twoLevel ? f(fromBits(pair & 0xffff0000) * memory.i8[zeros + row]!) : half(zeros + 2 * row)];
  return [scale, -f(scale * (1 << (s.weightBits - 1)))];
}

/**
 * Two-level: a block's integer factor of one row, and its integer offset n: the minimum's code, -z * factor or -2^(bits - 1) * factor. With one scale
 * per row all codes of scales and minima are 1.
 */
export function codesOfScale(memory: LinearMemory, s: SegmentView, block: number, row: number): readonly [factor: number, n: number] {
  const single = s.header & HEADER_ROW;
  const factor = single ? 1 : memory.u8[block + row]!;
  if (s.header & HEADER_MIN) return [factor, single ? 1 : memory.i8[block + PANEL + row]!];
  return [factor, -factor * (s.header & HEADER_INT_ZERO ? memory.u8[block + PANEL + row]! : 1 << (s.weightBits - 1))];
}

/** Two-level: what a row's scaled dots and offsets are multiplied by, its scale and its minimum step (or again the scale). */
export function rowFactors(memory: LinearMemory, s: SegmentView, panel: number, row: number): readonly [number, number] {
  const pair = memory.i32[(s.rowScales >>> 2) + panel * PANEL + row]!;
  const scale = fromBits(pair << 16);
  return [scale, s.header & HEADER_MIN ? fromBits(pair & 0xffff0000) : scale];
}

/** Code of channel k (inside the block) of a row; `codes` addresses the block's first code vector (see `formats/layout.ts`), u6 repacked. */
export function codeAt(memory: LinearMemory, bits: number, codes: number, row: number, k: number): number {
  const quad = row >>> 2;
  const lane = (row & 3) * 4 + (k & 3);
  if (bits === 3) {
    const step = codes + (k >>> 4) * 96 + lane;
    const i = (k >>> 2) & 3;
    return ((memory.u8[step + quad * 16]! >>> (2 * i)) & 3) | (((memory.u8[step + 64 + (quad >>> 1) * 16]! >>> (4 * (quad & 1) + i)) & 1) << 2);
  }
  if (bits === 6) {
    const vectors = codes + (k >>> 4) * 192 + quad * 48 + lane;
    const byte = (i: number): number => memory.u8[vectors + 16 * i]!;
    const i = (k >>> 2) & 3;
    return i < 3 ? byte(i) & 63 : (byte(0) >>> 6) | ((byte(1) >>> 6) << 2) | ((byte(2) >>> 6) << 4);
  }
  const planes = bits >>> 2;
  const vectors = codes + (k >>> 3) * (64 * planes) + quad * (16 * planes) + lane;
  const low = (memory.u8[vectors]! >>> (k & 4)) & 15;
  return planes === 1 ? low : low | (((memory.u8[vectors + 16]! >>> (k & 4)) & 15) << 4);
}

/** Value of channel k (inside the segment) of one row (0..15 in its panel): s * q + m, each operation rounded. */
export function weightAt(memory: LinearMemory, s: SegmentView, panel: number, row: number, k: number): number {
  const address = blockAddress(s, panel, Math.floor(k / s.weightBlock));
  const [scale, offset] = scaleAndOffset(memory, s, address, panel, row);
  const code = codeAt(memory, s.weightBits, address + headerBytes(s.header), row, k % s.weightBlock);
  return f(f(scale * code) + offset);
}
