import { f16ToF32 } from '../../src/core/numeric.ts';
import { dequantise } from '../../src/formats/dequantise.ts';
import { isGrid } from '../../src/formats/number-format.ts';
import { unpackRowScales } from '../../src/formats/row-scales.ts';
import { unpackFloatPanels, unpackPanels } from '../../src/formats/unpack.ts';
import type { ArrayRef, Linear, ModelImage, Segment } from '../../src/models/image.ts';

/** All bytes of an image; fails where its pieces leave gaps or do not cover it. */
export async function imageBytes(image: ModelImage): Promise<Uint8Array> {
  const bytes = new Uint8Array(image.manifest.bytes).fill(0xaa);
  let end = 0;
  for await (const piece of image.pieces()) {
    if (piece.offset !== end) throw new Error(`a piece starts at ${piece.offset}, the one before ended at ${end}`);
    end += piece.bytes;
    await piece.fill(bytes.subarray(piece.offset, end));
  }
  if (end !== bytes.length) throw new Error(`pieces end at ${end}, the image at ${bytes.length}`);
  return bytes;
}

const slice = (bytes: Uint8Array, ref: ArrayRef): Uint8Array => bytes.slice(ref.offset, ref.offset + ref.bytes);
export const floatsAt = (bytes: Uint8Array, ref: ArrayRef): Float32Array => new Float32Array(slice(bytes, ref).buffer);
export const intsAt = (bytes: Uint8Array, ref: ArrayRef): Int32Array => new Int32Array(slice(bytes, ref).buffer);

/** Values of a segment as stored, f32 [rows, channels of the segment]. */
export function segmentValues(bytes: Uint8Array, rows: number, { k, weight, data, rowScales }: Segment): Float32Array {
  const panels = slice(bytes, data);
  if (!isGrid(weight)) return unpackFloatPanels(rows, k[1] - k[0], panels, weight.bits);
  return dequantise(weight, unpackPanels(weight, rows, k[1] - k[0], panels), rowScales ? unpackRowScales(new Uint32Array(slice(bytes, rowScales).buffer)) : null);
}

/** Values of a linear as stored, f32 [rows, cols], channels in permuted order. */
export function linearValues(bytes: Uint8Array, { rows, cols, segments }: Linear): Float32Array {
  const values = new Float32Array(rows * cols);
  for (const segment of segments) {
    const [from, to] = segment.k;
    const part = segmentValues(bytes, rows, segment);
    for (let row = 0; row < rows; row++) values.set(part.subarray(row * (to - from), (row + 1) * (to - from)), row * cols + from);
  }
  return values;
}

/** Low-rank factors of a linear, f32 down [rank, cols] and up [rows, rank]; null: it has none. */
export function lowRankValues(bytes: Uint8Array, { rows, cols, branches = [] }: Linear): { readonly down: Float32Array; readonly up: Float32Array } | null {
  const branch = branches.find(({ kind }) => kind === 'lowRank');
  if (branch?.kind !== 'lowRank') return null;
  const { rank, bits, down, up } = branch;
  return { down: unpackFloatPanels(rank, cols, slice(bytes, down), bits), up: unpackFloatPanels(rows, rank, slice(bytes, up), bits) };
}

/** Single weights of a linear, f32 [rows, cols], mostly 0; null: it has none. */
export function sparseValues(bytes: Uint8Array, { rows, cols, branches = [] }: Linear): Float32Array | null {
  const branch = branches.find(({ kind }) => kind === 'sparse');
  if (branch?.kind !== 'sparse') return null;
  const [starts, entries] = [intsAt(bytes, branch.starts), intsAt(bytes, branch.entries)];
  const values = new Float32Array(rows * cols);
  for (let row = 0; row < rows; row++) {
    for (const entry of entries.subarray(starts[row], starts[row + 1])) values[row * cols + (entry & 0xffff)]! += f16ToF32(entry >>> 16);
  }
  return values;
}
