import { PANEL } from '../formats/descriptor.ts';
import { dequantise } from '../formats/dequantise.ts';
import { padded } from '../formats/layout.ts';
import { isGrid } from '../formats/number-format.ts';
import { packFloatPanels, packPanels } from '../formats/pack.ts';
import { packRowScales, ROW_SCALE_BYTES } from '../formats/row-scales.ts';
import { actBlocks, type ArrayRef, type Branch, type Linear, type Segment } from '../models/image.ts';
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
      if (branch.kind === 'centres') this.#writeCentres(branch, rounded, first);
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

  /** Sums of the values of codes over each asymmetric activation block. */
  #writeCentres({ blocks, data }: Extract<Branch, { kind: 'centres' }>, { segments }: Rounded, first: number): void {
    const rows = segments[0]!.values ? 0 : segments[0]!.codes.rows; // asymmetric blocks come first
    const sums = new Float64Array(rows * blocks);
    let at = 0;
    this.#linear.segments.forEach(({ weight, act, k }, i) => {
      const rounded = segments[i]!;
      if (act?.zero !== 'min' || !isGrid(weight) || rounded.values) return;
      const length = k[1] - k[0];
      const span = act.block === 'row' ? length : act.block;
      dequantise(weight, rounded.codes, rounded.rowScales).forEach((value, e) => {
        const row = Math.floor(e / length);
        sums[row * blocks + at + Math.floor((e - row * length) / span)]! += value;
      });
      at += actBlocks(act, length);
    });
    const bytes = new Uint8Array(padded(rows) * blocks * 4);
    packFloatPanels(Float32Array.from(sums), rows, blocks, bytes);
    this.#put(data, bytes, (first / PANEL) * PANEL * blocks * 4);
  }
}
