import type { Backend, OpenBackend } from '../backends/backend.ts';
import { TetradError } from '../core/errors.ts';
import { PAGE } from '../formats/descriptor.ts';
import { padded } from '../formats/layout.ts';
import type { KvFormat } from '../formats/number-format.ts';
import { modelDigest } from '../models/digest.ts';
import type { Manifest, ModelImage } from '../models/image.ts';
import { cacheBytes } from './cache-bytes.ts';
import type { Tap, Trace } from './forward.ts';
import { checkKv } from './kv-check.ts';
import { openParts, type Opened, type OpenOptions } from './open-plan.ts';
import { Parts } from './parts.ts';
import { splitPlan, type Memories } from './split.ts';

export type { Edge, Tap, Trace } from './forward.ts';

export interface DecoderOptions extends OpenOptions {
  readonly context: number;
  readonly kv: KvFormat;
  /** Most rows of logits that one `forwardRows` can give, up to PAGE. Default 1. */
  readonly logitRows?: number | undefined;
  /** Independent sequences, each with a KV cache of `context` tokens. Default 1. */
  readonly sequences?: number | undefined;
  /** Threads that work together, the caller's included; default 1. More need `host`, and a backend over shared memory. */
  readonly threads?: number | undefined;
  /** Memories that the layers are shared out over; default `auto`, as few as can hold them. */
  readonly memories?: Memories | undefined;
  /** Have what `digest` needs hashed where the image does not bring it; default false. */
  readonly hashed?: boolean | undefined;
}

/** A model in memory, as its user sees it: tokens go in block by block, logits come out. The caller's thread is rank 0 of the team that runs it. */
export class Decoder implements AsyncDisposable {
  readonly manifest: Manifest;
  /** Of the first memory, in which the logits are. */
  readonly backend: Backend;
  readonly context: number;
  readonly kv: KvFormat;
  readonly threads: number;
  /** Memories that hold the model. */
  readonly memories: number;
  readonly #parts: Parts;
  /** Digests of the image's cuts; null where they are not known. */
  readonly #cuts: readonly string[] | null;
  #digest: Promise<string> | undefined;
  /** For each count up to `logitRows`, views of that many rows of logits [vocab]. */
  readonly #rows: readonly (readonly Float32Array[])[];
  /** By sequence: tokens in the cache. */
  readonly #positions: Int32Array;
  /** The list of one sequence, for each. */
  readonly #alone: readonly (readonly number[])[];
  readonly #command = { count: 0, sequences: 0, rows: 0 };
  #disposed = false;

  constructor(manifest: Manifest, opened: readonly Opened[], options: DecoderOptions, cuts: readonly string[] | null = null) {
    const { backend, layout } = opened[0]!;
    const { vocab } = manifest.config;
    this.manifest = manifest;
    this.backend = backend;
    this.context = options.context;
    this.kv = options.kv;
    this.memories = opened.length;
    this.#cuts = cuts;
    this.#parts = new Parts(opened);
    this.threads = this.#parts.threads;
    const sequences = options.sequences ?? 1;
    this.#positions = new Int32Array(sequences);
    this.#alone = Array.from({ length: sequences }, (_, sequence) => [sequence]);
    const logits = (row: number): Float32Array => {
      const from = (layout.logits >>> 2) + row * padded(vocab);
      return backend.memory.f32.subarray(from, from + vocab);
    };
    const views = Array.from({ length: options.logitRows ?? 1 }, (_, row) => logits(row));
    this.#rows = views.map((_, last) => views.slice(0, last + 1));
  }

  /** Observes inputs while it is set. */
  set tap(tap: Tap | null) {
    this.#parts.tap = tap;
  }

  /** Observes, and may change, what passes between linears while it is set. */
  set trace(trace: Trace | null) {
    this.#parts.trace = trace;
  }

  get vocab(): number {
    return this.manifest.config.vocab;
  }

  /** Most rows of logits that one `forwardRows` can give. */
  get logitRows(): number {
    return this.#rows.length;
  }

  /** Independent sequences; every method that takes one means the first by default. */
  get sequences(): number {
    return this.#positions.length;
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
    if (n < this.#positions[sequence]!) this.#positions[sequence] = this.#parts.truncate(n, sequence);
    return this.#positions[sequence]!;
  }

  /** Tells this model's numbers from those of others (`models/digest.ts`). Rejects with `invalid_argument` where they were not hashed. */
  digest(): Promise<string> {
    return (this.#digest ??= this.#makeDigest());
  }

  async #makeDigest(): Promise<string> {
    if (!this.#cuts) throw new TetradError('invalid_argument', 'Cannot tell the digest of the model: its image was not hashed, needed is the option `hashed`');
    return modelDigest(this.manifest, this.#cuts);
  }

  /** Bytes of the saved cache of `tokens` tokens. */
  cacheBytes(tokens: number): number {
    return cacheBytes(this.kv, this.manifest.config, tokens);
  }

  /** Copies the cache of the first `tokens` tokens to `target`, `cacheBytes` bytes: the same whatever runs the model, and how long its context is. */
  saveCache(tokens: number, target: Uint8Array, sequence = 0): void {
    this.#checkUsable();
    if (tokens > this.#positions[sequence]!) throw new TetradError('invalid_argument', `Cannot save a cache of ${tokens} tokens: there are ${this.#positions[sequence]}`);
    this.#parts.save(tokens, target, sequence);
  }

  /**
   * Puts a cache in the place of what is there: what `saveCache` of a model with the same digest and KV format gave. Returns the position reached, which is lower
   * than `tokens` where they fill the context.
   */
  restoreCache(tokens: number, source: Uint8Array, sequence = 0): number {
    this.#checkUsable();
    if (tokens > this.context) throw new TetradError('context_overflow', `Cannot restore a cache of ${tokens} tokens: the context takes ${this.context}`);
    return (this.#positions[sequence] = this.#parts.restore(tokens, source, sequence));
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
    this.#run(tokens, this.#alone[sequence]!, tokens.length, rows);
    return views;
  }

  /**
   * Runs one token of each of several sequences, tokens[i] of sequences[i], none twice. Returns the logits after each, in order: the bits that they have
   * one by one. Views that the next call overwrites.
   */
  step(tokens: ArrayLike<number>, sequences: readonly number[]): readonly Float32Array[] {
    const views = this.#rows[sequences.length - 1];
    if (!views || tokens.length !== sequences.length || !sequences.every((sequence, i) => sequence < this.sequences && sequence >= 0 && sequences.indexOf(sequence) === i)) {
      throw new TetradError(
        'invalid_argument',
        `Cannot run ${tokens.length} tokens of sequences ${sequences.join(', ')}: needed are one each of different ones below ${this.sequences}, ${this.logitRows} at most`,
      );
    }
    this.#run(tokens, sequences, 1, sequences.length);
    return views;
  }

  /** Ends the threads; later blocks fail with `disposed`. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    await this.#parts.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #checkUsable(): void {
    if (this.#disposed) throw new TetradError('disposed', 'Cannot use the decoder: it has been disposed of');
  }

  /** Runs `each` tokens of each of `sequences`, whose rows follow each other; leaves the logits of the last `rows` tokens. */
  #run(tokens: ArrayLike<number>, sequences: readonly number[], each: number, rows: number): void {
    this.#checkUsable();
    for (const sequence of sequences) {
      const room = this.blockRoom(sequence);
      if (each >= 1 && each <= room) continue;
      throw new TetradError('context_overflow', `Cannot run ${each} tokens: position ${this.#positions[sequence]} leaves room for 1 to ${room}`);
    }
    const { vocab } = this;
    for (let t = 0; t < tokens.length; t++) {
      const id = tokens[t]!;
      if (!(id >= 0 && id < vocab)) throw new TetradError('invalid_argument', `Cannot embed token ${id}: the vocabulary has ${vocab}`);
    }
    for (let s = 0; s < sequences.length; s++) this.#parts.begin(s, sequences[s]!, this.#positions[sequences[s]!]!);
    const command = this.#command;
    command.count = tokens.length;
    command.sequences = sequences.length;
    command.rows = rows;
    this.#parts.run(tokens, command);
    for (const sequence of sequences) this.#positions[sequence]! += each;
  }
}

/** Checks options, lays out memory, or several, streams the image into it and binds the kernels. */
export async function createDecoder(image: ModelImage, open: OpenBackend, options: DecoderOptions): Promise<Decoder> {
  const { manifest } = image;
  const { context, kv, logitRows = 1, sequences = 1, threads = 1, memories, hashed = false } = options;
  if (!Number.isInteger(context) || context < 1 || context > manifest.config.context) {
    throw new TetradError('invalid_argument', `Cannot use a context of ${context} tokens: the model takes 1 to ${manifest.config.context}`);
  }
  if (!Number.isInteger(logitRows) || logitRows < 1 || logitRows > PAGE) {
    throw new TetradError('invalid_argument', `Cannot keep ${logitRows} rows of logits: needed are 1 to ${PAGE}`);
  }
  if (!Number.isInteger(sequences) || sequences < 1) {
    throw new TetradError('invalid_argument', `Cannot keep ${sequences} sequences: needed are 1 or more`);
  }
  checkKv(manifest, kv);
  const parts = splitPlan(manifest, { context, kv, threads, logitRows, sequences }, memories);
  return openParts(image, open, parts, options, hashed, (opened, cuts) => new Decoder(manifest, opened, options, cuts));
}
