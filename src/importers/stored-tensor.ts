import type { ByteSource } from '../core/bytes.ts';
import { TetradError } from '../core/errors.ts';
import type { WeightTensor } from '../models/weights.ts';
import { readBlocksGrid } from './blocks/grids.ts';
import type { BlockType } from './blocks/table.ts';

/** Where a tensor lies. Rows by cols, cols innermost; one dimension is a single row, dimensions beyond two are folded into rows. */
export interface StoredTensor {
  readonly source: ByteSource;
  /** Bytes from the start of the source. */
  readonly offset: number;
  readonly rows: number;
  readonly cols: number;
  readonly type: BlockType;
}

/**
 * Stored row of row `r` in rotate-half order, for heads of `headDim` interleaved rows: row (j, i) of a head, j < 2, is stored as (i, j).
 * Inverse of `permute` in ggml-org/llama.cpp, convert_hf_to_gguf.py.
 */
function interleavedRow(r: number, headDim: number): number {
  const within = r % headDim;
  const half = headDim / 2;
  return r - within + 2 * (within % half) + Math.floor(within / half);
}

/** Reads a stored tensor row by row; `headDim` of a tensor with interleaved rotary rows brings these into rotate-half order. */
export function weightTensor(name: string, stored: StoredTensor, headDim: number | null): WeightTensor {
  const { source, offset, rows, cols, type } = stored;
  const stride = (cols / type.elements) * type.bytes;

  async function readStored(from: number, to: number, signal?: AbortSignal): Promise<Uint8Array> {
    const bytes = new Uint8Array((to - from) * stride);
    await source.read(offset + from * stride, bytes, signal);
    return bytes;
  }

  async function readRows(from: number, to: number, signal?: AbortSignal): Promise<Uint8Array> {
    if (!(Number.isInteger(from) && Number.isInteger(to) && from >= 0 && from <= to && to <= rows)) {
      throw new TetradError('invalid_argument', `Cannot read "${name}": rows ${from} to ${to}, needed a range within 0 to ${rows}`);
    }
    if (headDim === null) return readStored(from, to, signal);
    const first = from - (from % headDim);
    const heads = await readStored(first, Math.ceil(to / headDim) * headDim, signal);
    const bytes = new Uint8Array((to - from) * stride);
    for (let r = from; r < to; r++) {
      const at = (interleavedRow(r, headDim) - first) * stride;
      bytes.set(heads.subarray(at, at + stride), (r - from) * stride);
    }
    return bytes;
  }

  const { grid } = type;
  return {
    name,
    rows,
    cols,
    type: type.name,
    async read(from, to, signal) {
      const bytes = await readRows(from, to, signal);
      const out = new Float32Array((to - from) * cols);
      type.dequantise(bytes, out);
      return out;
    },
    grid: grid && { bits: grid.bits, group: grid.group, hasMin: grid.minAt !== null },
    async readGrid(from, to, signal) {
      if (!grid) throw new TetradError('unsupported_type', `Cannot read the grid of "${name}": its type is ${type.name}, needed Q4_0, Q4_1 or Q8_0`);
      return readBlocksGrid(grid, await readRows(from, to, signal));
    },
  };
}
