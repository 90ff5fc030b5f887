import type { Backend, Kernels } from '../backends/backend.ts';
import { PANEL } from '../formats/descriptor.ts';
import { padded } from '../formats/layout.ts';
import { inputShape, writeSegments } from '../kernels/segment.ts';
import type { Linear } from '../models/image.ts';
import { quantSegments, type MemoryLayout } from './layout.ts';

/**
 * A linear with its kernels' arguments resolved: first a producer fills (and quantises) its input, then `multiply` runs.
 * All linears share one input buffer, so the two calls belong together.
 */
export class BoundLinear {
  readonly name: string;
  /** Input channels. */
  readonly cols: number;
  readonly #kernels: Kernels;
  readonly #layout: MemoryLayout;
  readonly #panels: number;
  readonly #index: number;
  readonly #table: number;
  /** 0: an f32 linear. */
  readonly #count: number;
  readonly #codesStride: number;
  readonly #blocks: number;
  readonly #weights: number;
  /** Rows of `values` are kept apart only where they are multiplied as they are. */
  readonly #valuesStride: number;

  constructor(backend: Backend, layout: MemoryLayout, name: string, linear: Linear) {
    const segments = quantSegments(linear);
    const input = inputShape(segments);
    this.#kernels = backend.kernels;
    this.#layout = layout;
    this.name = name;
    this.cols = linear.cols;
    this.#panels = padded(linear.rows) / PANEL;
    this.#index = linear.permute ? layout.image + linear.permute.offset : 0;
    this.#table = layout.tables[name]!;
    this.#count = segments.length;
    this.#codesStride = input.codes;
    this.#blocks = input.blocks;
    this.#weights = layout.image + linear.segments[0]!.data.offset;
    this.#valuesStride = segments.length ? 0 : padded(linear.cols);
    const address = (offset: number | undefined): number => (offset === undefined ? 0 : layout.image + offset);
    writeSegments(backend.memory, this.#table, segments.map((s) => ({ ...s, data: address(s.data.offset), rowScales: address(s.rowScales?.offset) })));
  }

  /** f32 input of the last producer call, for taps: [tokens, stride]; null where only codes are kept. */
  get values(): { readonly address: number; readonly stride: number } | null {
    return this.#valuesStride ? { address: this.#layout.values, stride: this.#valuesStride } : null;
  }

  fromNorm(x: number, xStride: number, tokens: number, gamma: number, eps: number): void {
    const l = this.#layout;
    this.#kernels.rmsnormQuant(
      x, xStride, tokens, this.cols, gamma, eps, this.#index, l.values, this.#valuesStride,
      this.#table, this.#count, l.codes, this.#codesStride, l.scales, l.sums, this.#blocks,
    );
  }

  /** Rows of x: gate, then up. */
  fromGateUp(x: number, xStride: number, tokens: number): void {
    const l = this.#layout;
    this.#kernels.siluMulQuant(
      x, xStride, tokens, this.cols, this.#index, l.values, this.#valuesStride,
      this.#table, this.#count, l.codes, this.#codesStride, l.scales, l.sums, this.#blocks,
    );
  }

  from(x: number, xStride: number, tokens: number): void {
    const l = this.#layout;
    this.#kernels.gatherQuant(
      x, xStride, tokens, this.cols, this.#index, l.values, this.#valuesStride,
      this.#table, this.#count, l.codes, this.#codesStride, l.scales, l.sums, this.#blocks,
    );
  }

  /** out[tokens, outStride] = W input, or += with `residual`. */
  multiply(out: number, outStride: number, tokens: number, residual: 0 | 1): void {
    const l = this.#layout;
    if (this.#count) {
      this.#kernels.gemm(
        this.#table, this.#count, l.codes, this.#codesStride, l.scales, l.sums, this.#blocks,
        out, outStride, tokens, 0, this.#panels, residual, l.gemmScratch,
      );
    } else {
      this.#kernels.gemmF32(this.#weights, this.cols, l.values, this.#valuesStride, out, outStride, tokens, 0, this.#panels, residual);
    }
  }

  /** Row `row` of the weights as f32, for embeddings. */
  lookUp(row: number, out: number): void {
    if (this.#count) this.#kernels.embed(this.#table, this.#count, row, out);
    else this.#kernels.embedF32(this.#weights, this.cols, row, out);
  }
}
