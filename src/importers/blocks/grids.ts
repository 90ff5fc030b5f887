import type { SourceGrid } from '../../models/weights.ts';

/** How the blocks of a type spell the grid of `SourceGrid`. Offsets are bytes within a block. */
export interface GridLayout {
  readonly bits: 4 | 8;
  /** Values of a block, all under one scale. */
  readonly group: number;
  /** Bytes of a block. */
  readonly stride: number;
  readonly scaleAt: number;
  readonly minAt: number | null;
  readonly codesAt: number;
  readonly zero: number;
}

export const Q4_0_GRID: GridLayout = { bits: 4, group: 32, stride: 18, scaleAt: 0, minAt: null, codesAt: 2, zero: 8 };
export const Q4_1_GRID: GridLayout = { bits: 4, group: 32, stride: 20, scaleAt: 0, minAt: 2, codesAt: 4, zero: 0 };
export const Q8_0_GRID: GridLayout = { bits: 8, group: 32, stride: 34, scaleAt: 0, minAt: null, codesAt: 2, zero: 128 };

const half = (bytes: Uint8Array, at: number): number => bytes[at]! | (bytes[at + 1]! << 8);

/** The codes, scales and minima of a run of blocks, in order. */
export function readBlocksGrid(layout: GridLayout, bytes: Uint8Array): SourceGrid {
  const { bits, group, stride, zero } = layout;
  const count = bytes.length / stride;
  const codes = new Uint8Array(count * group);
  const scale = new Uint16Array(count);
  const min = layout.minAt === null ? null : new Uint16Array(count);
  for (let block = 0; block < count; block++) {
    const at = block * stride;
    scale[block] = half(bytes, at + layout.scaleAt);
    if (min) min[block] = half(bytes, at + layout.minAt!);
    const from = at + layout.codesAt;
    const to = block * group;
    if (bits === 8) {
      for (let i = 0; i < group; i++) codes[to + i] = bytes[from + i]! ^ 0x80;
    } else {
      for (let i = 0; i < group / 2; i++) {
        codes[to + i] = bytes[from + i]! & 15;
        codes[to + group / 2 + i] = bytes[from + i]! >> 4;
      }
    }
  }
  return { bits, group, codes, scale, min, zero };
}
