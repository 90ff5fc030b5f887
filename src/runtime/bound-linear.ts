import type { Backend, Kernels, LinearMemory } from '../backends/backend.ts';
import { hadamard } from '../core/hadamard.ts';
import { f16ToF32 } from '../core/numeric.ts';
import { PANEL, SEGMENT_BYTES } from '../formats/descriptor.ts';
import { padded } from '../formats/layout.ts';
import { inputShape, scalePlaces, writeFloatRow, writeSegments, type ScalePlace } from '../kernels/segment.ts';
import { actBlocks, type ArrayRef, type Linear } from '../models/image.ts';
import { inputStride, OWN_TOKENS, type InputBuffers, type MemoryLayout } from './layout.ts';
import { floatRows, hasOutliers, integerSegments, isPlain, keepsValues, lowRankOf, sparseOf, type IntegerSegment } from './linear-parts.ts';
import { checkSparse, type SparsePlace } from './sparse-check.ts';
import type { Team } from './team.ts';

/** Activation blocks whose weights are summed at once: rows as wide as an input, in room for PAGE rows of gate and up. */
const BLOCKS_AT_ONCE = 8;

/** What a linear's input is made from. */
type Source = 'norm' | 'gateUp' | 'rows';

/**
 * A linear with its kernels' arguments resolved: first a producer fills (rotates, permutes, quantises) its input, then `multiply` runs.
 * All linears share the input buffers, so the two calls belong together. Every rank of the team makes the same calls; after `multiply` all of the result is there.
 *
 * Blocks of a few tokens: each rank computes the whole input into its own buffer. Longer ones: the ranks share out the tokens, and meet once more.
 */
export class BoundLinear {
  readonly name: string;
  /** Input channels. */
  readonly cols: number;
  readonly #kernels: Kernels;
  readonly #backend: Backend;
  readonly #layout: MemoryLayout;
  readonly #team: Team;
  readonly #rows: number;
  readonly #panels: number;
  readonly #index: number;
  readonly #table: number;
  /** Integer segments. */
  readonly #count: number;
  readonly #integers: readonly IntegerSegment[];
  readonly #codesStride: number;
  /** Weight blocks of a token, and the stride of its scales: behind them lie the centres. */
  readonly #blocks: number;
  readonly #side: number;
  /** Address of f32 panels of a linear that is nothing else; 0: it is. */
  readonly #plain: number;
  /** The same of f16 panels. */
  readonly #half: number;
  /** Addresses of the descriptors of f32 segments. */
  readonly #floats: readonly number[];
  readonly #low: { readonly rank: number; readonly down: number; readonly up: number } | null;
  readonly #sparse: SparsePlace | null;
  readonly #centres: { readonly count: number; readonly data: number } | null;
  readonly #outliers: boolean;
  /** The small factor of the input's rotation. */
  readonly #rotation: { readonly order: number; readonly matrix: number } | null;
  readonly #rotatedStride: number;
  /** Rows of `values` are kept apart only where they are multiplied as they are. */
  readonly #valuesStride: number;
  /** The buffers of the last producer call. */
  #input: InputBuffers;

  constructor(backend: Backend, layout: MemoryLayout, team: Team, name: string, linear: Linear) {
    const integers = integerSegments(linear);
    const floats = floatRows(linear);
    const { codes, blocks, centres } = inputShape(integers);
    const at = (ref: ArrayRef | undefined): number => (ref ? layout.image + ref.offset : 0);
    this.#kernels = backend.kernels;
    this.#backend = backend;
    this.#layout = layout;
    this.#team = team;
    this.#input = layout.own;
    this.name = name;
    this.cols = linear.cols;
    this.#rows = linear.rows;
    this.#panels = padded(linear.rows) / PANEL;
    this.#index = at(linear.permute);
    this.#table = layout.tables[name]!;
    this.#count = integers.length;
    this.#integers = integers;
    this.#codesStride = codes;
    this.#blocks = blocks;
    this.#side = inputStride(linear);
    const [first] = linear.segments;
    this.#plain = isPlain(linear) ? at(first?.data) : 0;
    this.#half = first?.weight.bits === 16 ? at(first.data) : 0;
    const low = lowRankOf(linear);
    const descriptors = floats.map((_, i) => this.#table + (integers.length + i) * SEGMENT_BYTES);
    this.#floats = low ? descriptors.slice(0, -2) : descriptors;
    this.#low = low && { rank: low.rank, down: descriptors.at(-2)!, up: descriptors.at(-1)! };
    const sparse = sparseOf(linear);
    this.#sparse = sparse && { starts: at(sparse.starts), entries: at(sparse.entries), count: sparse.entries.bytes / 4 };
    this.#centres = centres > 0 ? { count: centres, data: layout.centres.get(name)! } : null;
    this.#outliers = hasOutliers(linear);
    this.#rotation = linear.rotate ? { order: hadamard(linear.cols)!.order, matrix: layout.rotations.get(linear.cols)! } : null;
    this.#rotatedStride = padded(linear.cols);
    this.#valuesStride = keepsValues(linear) ? padded(linear.cols) : 0;
    if (team.rank > 0) return;
    writeSegments(backend.memory, this.#table, integers.map((s) => ({ ...s, data: at(s.data), rowScales: at(s.rowScales), actScales: at(s.actScales) })));
    floats.forEach((row, i) => writeFloatRow(backend.memory, descriptors[i]!, { ...row, data: at(row.data), rowScales: at(row.rowScales) }));
  }

  /** f32 input of the last producer call, as it is multiplied: [tokens, stride]; null where only codes are kept. */
  get values(): { readonly address: number; readonly stride: number } | null {
    return this.#valuesStride ? { address: this.#input.values, stride: this.#valuesStride } : null;
  }

  /** Input of the last producer call, for taps: f32 [tokens, stride] in the order of the producer's channels. */
  input(memory: LinearMemory, tokens: number): { readonly rows: Float32Array; readonly stride: number } {
    const { i32, f32 } = memory;
    const stride = this.#valuesStride;
    const values = this.#input.values >>> 2;
    if (this.#plain && !this.#index) return { rows: f32.subarray(values, values + tokens * stride), stride };
    const rows = new Float32Array(tokens * this.cols);
    const places = scalePlaces(this.#integers);
    for (let t = 0; t < tokens; t++) {
      for (let k = 0; k < this.cols; k++) {
        const value = k < places.length ? this.#decoded(memory, t, k, places[k]!) : f32[values + t * stride + k]!;
        rows[t * this.cols + (this.#index ? i32[(this.#index >>> 2) + k]! : k)] = value;
      }
    }
    return { rows, stride: this.cols };
  }

  /** What a token's code of channel k, in the order in which they are multiplied, stands for. */
  #decoded({ i8, f32 }: LinearMemory, token: number, k: number, { scale, centre, outliers }: ScalePlace): number {
    const { codes, scales, values } = this.#input;
    const side = (scales >>> 2) + token * this.#side;
    const exact = outliers > 0 ? f32[(values >>> 2) + token * this.#valuesStride + k]! : 0;
    if (outliers > 0 && Math.abs(exact) >= outliers) return exact;
    return f32[side + scale]! * i8[codes + token * this.#codesStride + k]! + (centre < 0 ? 0 : f32[side + centre]!);
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
    const rows = x + from * xStride * 4;
    const rotation = this.#rotation;
    if (rotation) {
      const stride = this.#rotatedStride;
      const rotated = this.#input.rotated + from * stride * 4;
      this.#run(source, rows, xStride, from, to, gamma, eps, 0, rotated, stride, 0);
      this.#kernels.hadamard(rotated, stride, to - from, this.cols, rotation.order, rotation.matrix, this.#layout.gemmScratch);
      this.#fillFrom('rows', rotated, stride, from, to, 0, 0);
    } else {
      this.#fillFrom(source, rows, xStride, from, to, gamma, eps);
    }
    const low = this.#low;
    if (!low) return;
    const { values, low: projected } = this.#input;
    const panels = low.rank / PANEL;
    this.#kernels.gemmFloat(
      low.down, values + from * this.#valuesStride * 4, this.#valuesStride, projected + from * low.rank * 4, low.rank, to - from, 0, panels, 0,
      this.#layout.gemmScratch,
    );
  }

  /** Permutes and quantises. */
  #fillFrom(source: Source, rows: number, xStride: number, from: number, to: number, gamma: number, eps: number): void {
    const stride = this.#valuesStride;
    const values = stride ? this.#input.values + from * stride * 4 : this.#layout.own.values;
    this.#run(source, rows, xStride, from, to, gamma, eps, this.#index, values, stride, this.#count);
  }

  #run(
    source: Source, rows: number, xStride: number, from: number, to: number, gamma: number, eps: number, index: number, values: number, stride: number, count: number,
  ): void {
    const kernels = this.#kernels;
    const input = this.#input;
    const codes = input.codes + from * this.#codesStride;
    const scales = input.scales + from * this.#side * 4;
    const sums = input.sums + from * this.#side * 4;
    if (source === 'norm') {
      kernels.rmsnormQuant(
        rows, xStride, to - from, this.cols, gamma, eps, index, values, stride, this.#table, count, codes, this.#codesStride, scales, sums, this.#side,
      );
      return;
    }
    const run = source === 'gateUp' ? kernels.siluMulQuant : kernels.gatherQuant;
    run(rows, xStride, to - from, this.cols, index, values, stride, this.#table, count, codes, this.#codesStride, scales, sums, this.#side);
  }

  /** out[tokens, outStride] = W input, or += with `residual`. All panels of a linear cost the same, so stripes are of equal numbers. */
  multiply(out: number, outStride: number, tokens: number, residual: 0 | 1): void {
    const team = this.#team;
    for (let more = team.deal(this.#panels); more; more = team.claim()) this.#multiplyPanels(out, outStride, tokens, residual, team.from, team.to);
    team.barrier();
  }

  /** Segments, integer ones first, then branches: each is added to what is there. */
  #multiplyPanels(out: number, outStride: number, tokens: number, residual: 0 | 1, from: number, to: number): void {
    const kernels = this.#kernels;
    const { codes, scales, sums, values, low } = this.#input;
    const stride = this.#valuesStride;
    const scratch = this.#layout.gemmScratch;
    if (this.#plain) {
      kernels.gemmF32(this.#plain, this.cols, values, stride, out, outStride, tokens, from, to, residual);
    } else if (this.#count) {
      kernels.gemm(this.#table, this.#count, codes, this.#codesStride, scales, sums, this.#side, out, outStride, tokens, from, to, residual, scratch);
    }
    for (let i = 0; i < this.#floats.length; i++) {
      const add = this.#count > 0 || i > 0 ? 1 : residual;
      kernels.gemmFloat(this.#floats[i]!, values, stride, out, outStride, tokens, from, to, add, scratch);
    }
    if (this.#low) kernels.gemmFloat(this.#low.up, low, this.#low.rank, out, outStride, tokens, from, to, 1, scratch);
    if (this.#centres) {
      const { count, data } = this.#centres;
      kernels.gemmF32(data, count, scales + this.#blocks * 4, this.#side, out, outStride, tokens, from, to, 1);
    }
    if (this.#outliers) kernels.outliers(this.#table, this.#count, values, stride, out, outStride, tokens, from, to);
    if (this.#sparse) {
      const { starts, entries } = this.#sparse;
      kernels.sparse(starts, entries, values, stride, out, outStride, tokens, from * PANEL, Math.min(this.#rows, to * PANEL));
    }
  }

  /** Brings weights as they were loaded to the layout that the kernels read. Throws `invalid_file` where single weights lie outside the matrix. */
  prepare(): void {
    this.#kernels.repackU6(this.#table, this.#count + this.#floats.length, 0, this.#panels);
    if (this.#centres) this.#sumBlocks(this.#centres.data, this.#centres.count);
    if (this.#sparse) checkSparse(this.#backend.memory, this.#sparse, this.name, this.#rows, this.cols);
  }

  /** Sums weights over asymmetric activation blocks: products with rows of ones, BLOCKS_AT_ONCE of them in memory that a block's gate and up will use. */
  #sumBlocks(data: number, count: number): void {
    const { f32 } = this.#backend.memory;
    const x = this.#layout.gateUp;
    const stride = this.#rotatedStride;
    let base = 0;
    this.#integers.forEach(({ act, k: [from, to] }, i) => {
      if (act.zero !== 'min') return;
      const blocks = actBlocks(act, to - from);
      const span = act.block === 'row' ? to - from : act.block;
      for (let first = 0; first < blocks; first += BLOCKS_AT_ONCE) {
        const many = Math.min(BLOCKS_AT_ONCE, blocks - first);
        f32.fill(0, x >>> 2, (x >>> 2) + many * stride);
        for (let b = 0; b < many; b++) {
          const at = (x >>> 2) + b * stride + from;
          f32.fill(1, at + (first + b) * span, at + Math.min(to - from, (first + b + 1) * span));
        }
        for (let panel = 0; panel < this.#panels; panel++) {
          const out = data + (panel * count + base + first - panel) * PANEL * 4; // the kernel adds its own way to the panel
          this.#kernels.gemmFloat(this.#table + i * SEGMENT_BYTES, x, stride, out, PANEL, many, panel, panel + 1, 0, this.#layout.gemmScratch);
        }
      }
      base += blocks;
    });
  }

  /** Row `row` of the weights as f32, for embeddings. */
  lookUp(row: number, out: number): void {
    if (this.#count) this.#kernels.embed(this.#table, this.#count, row, out);
    else if (this.#plain) this.#kernels.embedF32(this.#plain, this.cols, row, out);
    else if (this.#half) this.#lookUpHalf(this.#half, row, out);
    else this.#kernels.embed(this.#floats[0]!, this.#floats.length, row, out);
  }

  /** The same from f16 panels. */
  #lookUpHalf(weights: number, row: number, out: number): void {
    const { f32, u16 } = this.#backend.memory;
    const from = (weights >>> 1) + (row >>> 4) * this.cols * PANEL + (row % PANEL);
    for (let k = 0; k < this.cols; k++) f32[(out >>> 2) + k] = f16ToF32(u16[from + k * PANEL]!);
  }
}
