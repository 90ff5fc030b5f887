import { bitsOf, f16ToF32, fromBits } from '../../core/numeric.ts';
import { sharedAt } from '../../formats/dequantise.ts';
import { blockLength, isGrid, type WeightFormat } from '../../formats/number-format.ts';
import { makeFits, type Fits } from './fit.ts';
import type { RoundSegment } from './job.ts';

const f = Math.fround;

/** Grids of one segment of a panel's rows, as they are stored. */
export interface SegmentGrid {
  readonly format: WeightFormat;
  /** Channels [from, to), in blocks. */
  readonly from: number;
  readonly to: number;
  readonly block: number;
  readonly blocks: number;
  /** Index of its first block among all blocks of a row. */
  readonly first: number;
  readonly fits: Fits;
  /** u16 [rows, blocks]: f16, bf16, u8 or 3-bit scales. */
  readonly scales: Uint16Array;
  /** u16 [rows, blocks]: u8 zeros, or minima as f16, bf16 or i8, or 3-bit zeros. */
  readonly zeros: Uint16Array;
  /** f32 [rows, 2]: steps of two-level scales and minima. */
  steps: Float32Array;
  /** f16 [blocks, 4]: scale step, scale minimum, zero step, zero minimum of 3-bit scales. */
  readonly shared: Uint16Array;
}

/** Grids of a panel's rows as the kernels use them: f64 [rows, count] that hold f32 numbers, the value of code q is scale * q + offset. */
export interface Grids {
  readonly rows: number;
  /** Blocks of a row. */
  readonly count: number;
  readonly scale: Float64Array;
  readonly offset: Float64Array;
  /** 1 / scale; 0 where the scale is 0. */
  readonly inverse: Float64Array;
  /** i32 [cols]: block of each channel; -16 or -32 where weights are f16 or f32. */
  readonly blockOf: Int32Array;
  /** u8 [count]: largest code. */
  readonly limits: Uint8Array;
  readonly segments: readonly SegmentGrid[];
}

export function makeGrids(segments: readonly RoundSegment[], rows: number, cols: number): Grids {
  const blockOf = new Int32Array(cols);
  const limits: number[] = [];
  const grids: SegmentGrid[] = [];
  for (const { from, to, weight } of segments) {
    if (!isGrid(weight)) {
      blockOf.fill(-weight.bits, from, to);
      continue;
    }
    const block = blockLength(weight.block, to - from);
    const blocks = Math.ceil((to - from) / block);
    const entries = rows * blocks;
    const first = limits.length;
    for (let k = from; k < to; k++) blockOf[k] = first + Math.floor((k - from) / block);
    for (let b = 0; b < blocks; b++) limits.push((1 << weight.bits) - 1);
    grids.push({
      format: weight, from, to, block, blocks, first, fits: makeFits(entries),
      scales: new Uint16Array(entries), zeros: new Uint16Array(entries), steps: new Float32Array(2 * rows), shared: new Uint16Array(4 * blocks),
    });
  }
  const make = (): Float64Array => new Float64Array(rows * limits.length);
  return { rows, count: limits.length, scale: make(), offset: make(), inverse: make(), blockOf, limits: Uint8Array.from(limits), segments: grids };
}

export const bf16 = (x: number): number => ((bitsOf(f(x)) + 0x8000) >>> 16) & 0xffff;
const fromBf16 = (bits: number): number => fromBits(bits << 16);

/** The f32 scale that stored bits mean. */
export function scaleOf({ format, steps, shared }: SegmentGrid, row: number, block: number, bits: number): number {
  switch (format.scale) {
    case 'f16': return f16ToF32(bits);
    case 'bf16': return fromBf16(bits);
    case 'u8': return f(steps[2 * row]! * bits);
    case 'u3': return sharedAt(shared[4 * block]!, shared[4 * block + 1]!, bits);
    default: return format.scale satisfies never;
  }
}

/** The f32 offset that stored bits mean, given the scale. */
export function offsetOf({ format, steps, shared }: SegmentGrid, row: number, block: number, scale: number, bits: number): number {
  switch (format.zero) {
    case 'mid': return -f(scale * (1 << (format.bits - 1)));
    case 'int': return -f(scale * bits);
    case 'u3': return -f(scale * sharedAt(shared[4 * block + 2]!, shared[4 * block + 3]!, bits));
    case 'min': return format.scale === 'f16' ? f16ToF32(bits) : format.scale === 'bf16' ? fromBf16(bits) : f(steps[2 * row + 1]! * ((bits << 24) >> 24));
    default: return format.zero satisfies never;
  }
}

/** Stores a block of one row. */
export function setBits(grids: Grids, segment: SegmentGrid, row: number, block: number, scaleBits: number, zeroBits: number): void {
  const entry = row * segment.blocks + block;
  segment.scales[entry] = scaleBits;
  segment.zeros[entry] = zeroBits;
  const at = row * grids.count + segment.first + block;
  const scale = scaleOf(segment, row, block, scaleBits);
  grids.scale[at] = scale;
  grids.offset[at] = offsetOf(segment, row, block, scale, zeroBits);
  grids.inverse[at] = scale === 0 ? 0 : 1 / scale;
}

/** Channels of a block of a segment. */
export const blockCount = ({ from, to, block }: SegmentGrid, index: number): number => Math.min(block, to - from - index * block);
