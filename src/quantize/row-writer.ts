import { PANEL } from '../formats/descriptor.ts';
import { padded } from '../formats/layout.ts';
import { isGrid } from '../formats/number-format.ts';
import { packFloatPanels, packPanels } from '../formats/pack.ts';
import { packRowScales, ROW_SCALE_BYTES } from '../formats/row-scales.ts';
import { type ArrayRef, type Branch, type Linear, type Segment } from '../models/image.ts';
import type { Rounded, RoundedSegment } from './rounding/round.ts';

export const bytesOf = (array: Float32Array | Int32Array | Uint32Array): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** Writes bytes at a place of an array of the image. */
export type Put = (ref: ArrayRef, bytes: Uint8Array, at?: number) => void;

/** Packs rounded rows into a linear's arrays, chunk by chunk of whole panels. */
export class RowWriter {
  readonly #linear: Linear;
  readonly #put: Put;
  readonly #starts: Uint32Array;
  #entries = 0;

  constructor(linear: Linear, put: Put) {
    this.#linear = linear;
    this.#put = put;
    this.#starts = new Uint32Array(linear.rows + 1);
  }

  write(first: number, rounded: Rounded): void {
    this.#linear.segments.forEach((segment, i) => this.#writeSegment(segment, rounded.segments[i]!, first));
    for (const branch of this.#linear.branches ?? []) {
      if (branch.kind === 'sparse') this.#writeSparse(branch, rounded, first);
    }
  }

  /** Writes what is known when all rows are. */
  finish(): void {
    for (const branch of this.#linear.branches ?? []) if (branch.kind === 'sparse') this.#put(branch.starts, bytesOf(this.#starts));
  }

  #writeSegment({ weight, data, rowScales, k }: Segment, rounded: RoundedSegment, first: number): void {
    const length = k[1] - k[0];
    const panelBytes = data.bytes / (padded(this.#linear.rows) / PANEL);
    const rows = rounded.values ? rounded.values.length / length : rounded.codes.rows;
    const bytes = new Uint8Array((padded(rows) / PANEL) * panelBytes);
    if (rounded.values) packFloatPanels(rounded.values, rows, length, bytes, isGrid(weight) ? 32 : weight.bits);
    else if (isGrid(weight)) packPanels(weight, rounded.codes, bytes);
    this.#put(data, bytes, (first / PANEL) * panelBytes);
    if (rowScales && rounded.rowScales) this.#put(rowScales, bytesOf(packRowScales(rounded.rowScales)), first * ROW_SCALE_BYTES);
  }

  #writeSparse({ entries }: Extract<Branch, { kind: 'sparse' }>, { sparse }: Rounded, first: number): void {
    if (!sparse) return;
    this.#put(entries, bytesOf(sparse.entries), this.#entries * 4);
    for (let row = 1; row < sparse.starts.length; row++) this.#starts[first + row] = this.#entries + sparse.starts[row]!;
    this.#entries += sparse.entries.length;
  }
}
