import type { Backend, OpenBackend } from '../backends/backend.ts';
import { TetradError } from '../core/errors.ts';
import { PAGE } from '../formats/descriptor.ts';
import { padded } from '../formats/layout.ts';
import type { KvFormat } from '../formats/number-format.ts';
import type { ModelConfig } from '../models/config.ts';
import type { CopyOptions, Manifest, ModelImage } from '../models/image.ts';
import { BoundLinear } from './bound-linear.ts';
import { KvCache } from './kv-cache.ts';
import { layoutMemory, type MemoryLayout } from './layout.ts';
import { fillRopeTable } from './rope-table.ts';

export interface DecoderOptions extends CopyOptions {
  readonly context: number;
  readonly kv: KvFormat;
  /** Most rows of logits that one `forwardRows` can give, up to PAGE. Default 1. */
  readonly logitRows?: number | undefined;
  /** Independent sequences, each with a KV cache of `context` tokens. Default 1. */
  readonly sequences?: number | undefined;
}

/** Sees the f32 input of every linear: rows [tokens, stride] of which the first `cols` count. Only f32 models keep them. */
export type Tap = (site: string, rows: Float32Array, tokens: number, stride: number, cols: number) => void;

interface Layer {
  readonly attentionNorm: number;
  readonly qkv: BoundLinear;
  readonly o: BoundLinear;
  readonly ffnNorm: number;
  readonly gateUp: BoundLinear;
  readonly down: BoundLinear;
}

/** The one forward pass: a Llama-family decoder over bound kernels. Nothing is allocated or looked up per token. */
export class Decoder {
  readonly manifest: Manifest;
  readonly backend: Backend;
  readonly context: number;
  /** Set to observe inputs; see `Tap`. */
  tap: Tap | null = null;
  readonly #config: ModelConfig;
  readonly #layout: MemoryLayout;
  readonly #layers: readonly Layer[];
  readonly #embed: BoundLinear;
  readonly #output: BoundLinear;
  readonly #norm: number;
  /** By sequence. */
  readonly #caches: readonly KvCache[];
  /** For each count up to `logitRows`, views of that many rows of logits [vocab]. */
  readonly #rows: readonly (readonly Float32Array[])[];
  /** By sequence: tokens in the cache. */
  readonly #positions: Int32Array;
  /** The list of one sequence, for each. */
  readonly #alone: readonly (readonly number[])[];

  constructor(manifest: Manifest, backend: Backend, layout: MemoryLayout, options: DecoderOptions) {
    this.manifest = manifest;
    this.backend = backend;
    this.context = options.context;
    this.#config = manifest.config;
    this.#layout = layout;
    const bind = (name: string): BoundLinear => new BoundLinear(backend, layout, name, manifest.linears[name]!);
    const vector = (name: string): number => layout.image + manifest.vectors[name]!.offset;
    this.#layers = Array.from({ length: this.#config.layers }, (_, i) => ({
      attentionNorm: vector(`layers.${i}.attn.norm`),
      qkv: bind(`layers.${i}.attn.qkv`),
      o: bind(`layers.${i}.attn.o`),
      ffnNorm: vector(`layers.${i}.mlp.norm`),
      gateUp: bind(`layers.${i}.mlp.gate_up`),
      down: bind(`layers.${i}.mlp.down`),
    }));
    this.#output = bind('output');
    this.#embed = manifest.linears['embed'] ? bind('embed') : this.#output;
    this.#norm = vector('norm');
    const sequences = Array.from({ length: options.sequences ?? 1 }, (_, sequence) => sequence);
    this.#caches = sequences.map((sequence) => new KvCache(backend, layout, this.#config, options.kv, options.context, sequence));
    this.#positions = new Int32Array(sequences.length);
    this.#alone = sequences.map((sequence) => [sequence]);
    const views = Array.from({ length: options.logitRows ?? 1 }, (_, row) => this.#logits(row));
    this.#rows = views.map((_, last) => views.slice(0, last + 1));
    const { headDim, rope } = this.#config;
    fillRopeTable(backend.memory.f32.subarray(layout.rope >>> 2, (layout.rope >>> 2) + options.context * headDim), rope, headDim, options.context);
  }

  get vocab(): number {
    return this.#config.vocab;
  }

  /** Most rows of logits that one `forwardRows` can give. */
  get logitRows(): number {
    return this.#rows.length;
  }

  /** Independent sequences; every method that takes one means the first by default. */
  get sequences(): number {
    return this.#caches.length;
  }

  /** Tokens in the cache of the first sequence. */
  get position(): number {
    return this.#positions[0]!;
  }

  /** Most tokens that the next `forward` takes: a block never crosses a page. */
  blockRoom(sequence = 0): number {
    const position = this.#positions[sequence]!;
    return Math.min(PAGE - (position % PAGE), this.context - position);
  }

  /** Keeps at most n tokens; returns the position reached, which a packed page may make lower. */
  truncate(n: number, sequence = 0): number {
    if (n < this.#positions[sequence]!) this.#positions[sequence] = this.#caches[sequence]!.truncate(n);
    return this.#positions[sequence]!;
  }

  /** Runs up to `blockRoom()` tokens. Returns the last one's logits [vocab]: a view that the next call overwrites. */
  forward(tokens: ArrayLike<number>, sequence = 0): Float32Array {
    return this.forwardRows(tokens, 1, sequence)[0]!;
  }

  /** Runs up to `blockRoom()` tokens. Returns the logits of the last `rows` of them, in order, [rows][vocab]: views that the next call overwrites. */
  forwardRows(tokens: ArrayLike<number>, rows: number, sequence = 0): readonly Float32Array[] {
    const views = this.#rows[rows - 1];
    const most = Math.min(this.logitRows, Math.max(1, tokens.length));
    if (!views || rows > most) {
      throw new TetradError('invalid_argument', `Cannot give ${rows} rows of logits for ${tokens.length} tokens: needed are 1 to ${most}`);
    }
    this.#run(tokens, this.#alone[sequence]!, tokens.length);
    this.#project(this.#layout.x + (tokens.length - rows) * padded(this.#config.hidden) * 4, rows);
    return views;
  }

  /**
   * Runs one token of each of several sequences, tokens[i] of sequences[i], none twice. Returns the logits after each, in order: the bits that they have
   * one by one. Views that the next call overwrites.
   */
  step(tokens: ArrayLike<number>, sequences: readonly number[]): readonly Float32Array[] {
    const views = this.#rows[sequences.length - 1];
    if (!views || tokens.length !== sequences.length || !sequences.every((sequence, i) => this.#caches[sequence] && sequences.indexOf(sequence) === i)) {
      throw new TetradError(
        'invalid_argument',
        `Cannot run ${tokens.length} tokens of sequences ${sequences.join(', ')}: needed are one each of different ones below ${this.sequences}, ${this.logitRows} at most`,
      );
    }
    this.#run(tokens, sequences, 1);
    this.#project(this.#layout.x, sequences.length);
    return views;
  }

  #logits(row: number): Float32Array {
    const from = (this.#layout.logits >>> 2) + row * padded(this.#config.vocab);
    return this.backend.memory.f32.subarray(from, from + this.#config.vocab);
  }

  #project(x: number, rows: number): void {
    const { hidden, normEps, vocab } = this.#config;
    this.#output.fromNorm(x, padded(hidden), rows, this.#norm, normEps);
    this.#observe(this.#output, rows);
    this.#output.multiply(this.#layout.logits, padded(vocab), rows, 0);
  }

  /** Runs `each` tokens of each of `sequences`, whose rows follow each other. */
  #run(tokens: ArrayLike<number>, sequences: readonly number[], each: number): void {
    const count = tokens.length;
    for (const sequence of sequences) {
      if (each >= 1 && each <= this.blockRoom(sequence)) continue;
      const room = this.blockRoom(sequence);
      throw new TetradError('context_overflow', `Cannot run ${each} tokens: position ${this.#positions[sequence]} leaves room for 1 to ${room}`);
    }
    const { heads, kvHeads, headDim, hidden, ffn, normEps, vocab } = this.#config;
    const l = this.#layout;
    const xStride = padded(hidden);
    const qkvStride = padded((heads + 2 * kvHeads) * headDim);
    const attentionStride = padded(heads * headDim);
    const gateUpStride = padded(2 * ffn);
    for (let t = 0; t < count; t++) {
      const id = tokens[t]!;
      if (!(id >= 0 && id < vocab)) throw new TetradError('invalid_argument', `Cannot embed token ${id}: the vocabulary has ${vocab}`);
      this.#embed.lookUp(id, l.x + t * xStride * 4);
    }
    for (const sequence of sequences) this.#caches[sequence]!.begin(Math.floor(this.#positions[sequence]! / PAGE));
    for (let i = 0; i < this.#layers.length; i++) {
      const layer = this.#layers[i]!;
      layer.qkv.fromNorm(l.x, xStride, count, layer.attentionNorm, normEps);
      this.#observe(layer.qkv, count);
      layer.qkv.multiply(l.qkv, qkvStride, count, 0);
      for (let s = 0; s < sequences.length; s++) this.#attend(i, sequences[s]!, s * each, each, qkvStride, attentionStride);
      layer.o.from(l.attention, attentionStride, count);
      this.#observe(layer.o, count);
      layer.o.multiply(l.x, xStride, count, 1);
      layer.gateUp.fromNorm(l.x, xStride, count, layer.ffnNorm, normEps);
      this.#observe(layer.gateUp, count);
      layer.gateUp.multiply(l.gateUp, gateUpStride, count, 0);
      layer.down.fromGateUp(l.gateUp, gateUpStride, count);
      this.#observe(layer.down, count);
      layer.down.multiply(l.x, xStride, count, 1);
    }
    for (const sequence of sequences) this.#positions[sequence]! += each;
  }

  /** Positions, cache and attention of one sequence: rows [row, row + count) of q, k, v and of the attention output. */
  #attend(layer: number, sequence: number, row: number, count: number, stride: number, outStride: number): void {
    const { heads, kvHeads, headDim } = this.#config;
    const l = this.#layout;
    const position = this.#positions[sequence]!;
    const cache = this.#caches[sequence]!;
    const page = Math.floor(position / PAGE);
    const slot = position % PAGE;
    this.backend.kernels.rope(l.qkv + row * stride * 4, stride, count, heads + kvHeads, headDim, l.rope + position * headDim * 4);
    cache.append(layer, row, count, stride, page, slot);
    cache.attend(layer, row, count, stride, outStride, page, slot);
  }

  #observe(linear: BoundLinear, tokens: number): void {
    if (!this.tap || !linear.values) return;
    const { address, stride } = linear.values;
    this.tap(linear.name, this.backend.memory.f32.subarray(address >>> 2, (address >>> 2) + tokens * stride), tokens, stride, linear.cols);
  }
}

/** Checks options, lays out memory, streams the image into it and binds the kernels. */
export async function createDecoder(image: ModelImage, open: OpenBackend, options: DecoderOptions): Promise<Decoder> {
  const { manifest } = image;
  const { context, kv, logitRows = 1, sequences = 1, signal, onProgress } = options;
  if (!Number.isInteger(context) || context < 1 || context > manifest.config.context) {
    throw new TetradError('invalid_argument', `Cannot use a context of ${context} tokens: the model takes 1 to ${manifest.config.context}`);
  }
  if (!Number.isInteger(logitRows) || logitRows < 1 || logitRows > PAGE) {
    throw new TetradError('invalid_argument', `Cannot keep ${logitRows} rows of logits: needed are 1 to ${PAGE}`);
  }
  if (!Number.isInteger(sequences) || sequences < 1) {
    throw new TetradError('invalid_argument', `Cannot keep ${sequences} sequences: needed are 1 or more`);
  }
  const layout = layoutMemory(manifest, { context, kv, logitRows, sequences });
  const backend = open(layout.total);
  for await (const piece of image.pieces()) {
    signal?.throwIfAborted();
    const at = layout.image + piece.offset;
    await piece.fill(backend.memory.u8.subarray(at, at + piece.bytes), signal);
    onProgress?.({ stage: 'load', loaded: piece.offset + piece.bytes, total: manifest.bytes });
  }
  return new Decoder(manifest, backend, layout, options);
}
