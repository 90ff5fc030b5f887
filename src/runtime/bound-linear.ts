import type { Backend, Kernels, LinearMemory } from '../backends/backend.ts';
import { PANEL } from '../formats/descriptor.ts';
import { padded } from '../formats/layout.ts';
import { inputShape, writeSegments } from '../kernels/segment.ts';
import type { Linear } from '../models/image.ts';
import { OWN_TOKENS, quantSegments, type InputBuffers, type MemoryLayout, type QuantSegment } from './layout.ts';
import type { Team } from './team.ts';

/** What a linear's input is made from. */
type Source = 'norm' | 'gateUp' | 'rows';

/**
 * A linear with its kernels' arguments resolved: first a producer fills (and quantises) its input, then `multiply` runs.
 * All linears share the input buffers, so the two calls belong together. Every rank of the team makes the same calls; after `multiply` all of the result is there.
 *
 * Blocks of a few tokens: each rank computes the whole input into its own buffer. Longer ones: the ranks share out the tokens, and meet once more.
 */
export class BoundLinear {
  readonly name: string;
  /** Input channels. */
  readonly cols: number;
  readonly #kernels: Kernels;
  readonly #layout: MemoryLayout;
  readonly #team: Team;
  readonly #panels: number;
  readonly #index: number;
  readonly #table: number;
  /** 0: an f32 linear. */
  readonly #count: number;
  readonly #segments: readonly QuantSegment[];
  readonly #codesStride: number;
  readonly #blocks: number;
  readonly #weights: number;
  /** Rows of `values` are kept apart only where they are multiplied as they are. */
  readonly #valuesStride: number;
  /** The buffers of the last producer call. */
  #input: InputBuffers;

  constructor(backend: Backend, layout: MemoryLayout, team: Team, name: string, linear: Linear) {
    const segments = quantSegments(linear);
    const input = inputShape(segments);
    this.#kernels = backend.kernels;
    this.#layout = layout;
    this.#team = team;
    this.#input = layout.own;
    this.name = name;
    this.cols = linear.cols;
    this.#panels = padded(linear.rows) / PANEL;
    this.#index = linear.permute ? layout.image + linear.permute.offset : 0;
    this.#table = layout.tables[name]!;
    this.#count = segments.length;
    this.#segments = segments;
    this.#codesStride = input.codes;
    this.#blocks = input.blocks;
    this.#weights = layout.image + linear.segments[0]!.data.offset;
    this.#valuesStride = segments.length ? 0 : padded(linear.cols);
    if (team.rank > 0) return;
    const address = (offset: number | undefined): number => (offset === undefined ? 0 : layout.image + offset);
    writeSegments(backend.memory, this.#table, segments.map((s) => ({ ...s, data: address(s.data.offset), rowScales: address(s.rowScales?.offset) })));
  }

  /** Input of the last producer call, for taps: f32 [tokens, stride] in the order of the producer's channels. */
  input(memory: LinearMemory, tokens: number): { readonly rows: Float32Array; readonly stride: number } {
    const { i32, f32 } = memory;
    const stride = this.#valuesStride;
    const values = this.#input.values >>> 2;
    if (stride && !this.#index) return { rows: f32.subarray(values, values + tokens * stride), stride };
    const rows = new Float32Array(tokens * this.cols);
    for (let t = 0; t < tokens; t++) {
      const at = this.#count ? this.#decoded(memory, t) : (k: number): number => f32[values + t * stride + k]!;
      for (let k = 0; k < this.cols; k++) rows[t * this.cols + (this.#index ? i32[(this.#index >>> 2) + k]! : k)] = at(k);
    }
    return { rows, stride: this.cols };
  }

  /** What a token's code of channel k, in the order in which they are multiplied, stands for: scale * code. */
  #decoded({ i8, f32 }: LinearMemory, token: number): (k: number) => number {
    const codes = this.#input.codes + token * this.#codesStride;
    const scaleOf = new Float32Array(this.cols);
    let block = (this.#input.scales >>> 2) + token * this.#blocks;
    for (const { k: [from, to], weight } of this.#segments) {
      for (let k = from; k < to; k++) scaleOf[k] = f32[block + Math.floor((k - from) / weight.block)]!;
      block += Math.ceil((to - from) / weight.block);
    }
    return (k) => scaleOf[k]! * i8[codes + k]!;
  }

  fromNorm(x: number, xStride: number, tokens: number, gamma: number, eps: number): void {
    this.#produce('norm', x, xStride, tokens, gamma, eps);
  }

  /** Rows of x: gate, then up. */
  fromGateUp(x: number, xStride: number, tokens: number): void {
    this.#produce('gateUp', x, xStride, tokens, 0, 0);
  }

  from(x: number, xStride: number, tokens: number): void {
    this.#produce('rows', x, xStride, tokens, 0, 0);
  }

  #produce(source: Source, x: number, xStride: number, tokens: number, gamma: number, eps: number): void {
    const team = this.#team;
    const split = team.size > 1 && tokens > OWN_TOKENS;
    this.#input = split ? this.#layout.input : this.#layout.own;
    if (!split) {
      this.#fill(source, x, xStride, 0, tokens, gamma, eps);
      return;
    }
    for (let more = team.deal(tokens); more; more = team.claim()) this.#fill(source, x, xStride, team.from, team.to, gamma, eps);
    team.barrier();
  }

  /** Tokens [from, to) of the input. */
  #fill(source: Source, x: number, xStride: number, from: number, to: number, gamma: number, eps: number): void {
    const kernels = this.#kernels;
    const input = this.#input;
    const stride = this.#valuesStride;
    const rows = x + from * xStride * 4;
    const values = stride ? input.values + from * stride * 4 : this.#layout.own.values;
    const codes = input.codes + from * this.#codesStride;
    const scales = input.scales + from * this.#blocks * 4;
    const sums = input.sums + from * this.#blocks * 4;
    if (source === 'norm') {
      kernels.rmsnormQuant(
        rows, xStride, to - from, this.cols, gamma, eps, this.#index, values, stride,
        this.#table, this.#count, codes, this.#codesStride, scales, sums, this.#blocks,
      );
      return;
    }
    const run = source === 'gateUp' ? kernels.siluMulQuant : kernels.gatherQuant;
    run(
      rows, xStride, to - from, this.cols, this.#index, values, stride,
      this.#table, this.#count, codes, this.#codesStride, scales, sums, this.#blocks,
    );
  }

  /** out[tokens, outStride] = W input, or += with `residual`. All panels of a linear cost the same, so stripes are of equal numbers. */
  multiply(out: number, outStride: number, tokens: number, residual: 0 | 1): void {
    const { codes, scales, sums, values } = this.#input;
    const team = this.#team;
    for (let more = team.deal(this.#panels); more; more = team.claim()) {
      if (this.#count) {
        this.#kernels.gemm(
          this.#table, this.#count, codes, this.#codesStride, scales, sums, this.#blocks,
          out, outStride, tokens, team.from, team.to, residual, this.#layout.gemmScratch,
        );
      } else {
        this.#kernels.gemmF32(this.#weights, this.cols, values, this.#valuesStride, out, outStride, tokens, team.from, team.to, residual);
      }
    }
    team.barrier();
  }

  /** Brings weights as they were loaded to the layout that the kernels read. */
  prepare(): void {
    this.#kernels.repackU6(this.#table, this.#count, 0, this.#panels);
  }

  /** Row `row` of the weights as f32, for embeddings. */
  lookUp(row: number, out: number): void {
    if (this.#count) this.#kernels.embed(this.#table, this.#count, row, out);
    else this.#kernels.embedF32(this.#weights, this.cols, row, out);
  }
}
