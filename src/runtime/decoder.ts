import type { Backend, OpenBackend } from '../backends/backend.ts';
import { TetradError } from '../core/errors.ts';
import { PAGE } from '../formats/descriptor.ts';
import { padded } from '../formats/layout.ts';
import type { KvFormat } from '../formats/number-format.ts';
import type { ModelConfig } from '../models/config.ts';
import type { Manifest, ModelImage } from '../models/image.ts';
import { Forward, type Tap, type Trace } from './forward.ts';
import { checkKv } from './kv-check.ts';
import type { MemoryLayout } from './layout.ts';
import { openPlan, type OpenOptions } from './open-plan.ts';
import { Solo } from './team.ts';
import type { Workers } from './workers.ts';

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
}

/** A model in memory, as its user sees it: tokens go in block by block, logits come out. The caller's thread is rank 0 of the team that runs it. */
export class Decoder implements AsyncDisposable {
  readonly manifest: Manifest;
  readonly backend: Backend;
  readonly context: number;
  readonly threads: number;
  readonly #config: ModelConfig;
  readonly #layout: MemoryLayout;
  readonly #forward: Forward;
  readonly #workers: Workers | null;
  /** For each count up to `logitRows`, views of that many rows of logits [vocab]. */
  readonly #rows: readonly (readonly Float32Array[])[];
  /** By sequence: tokens in the cache. */
  readonly #positions: Int32Array;
  /** The list of one sequence, for each. */
  readonly #alone: readonly (readonly number[])[];
  readonly #command = { count: 0, sequences: 0, rows: 0 };
  #disposed = false;

  constructor(manifest: Manifest, backend: Backend, layout: MemoryLayout, options: DecoderOptions, workers: Workers | null = null) {
    this.manifest = manifest;
    this.backend = backend;
    this.context = options.context;
    this.#config = manifest.config;
    this.#layout = layout;
    this.#workers = workers;
    const team = workers?.team ?? new Solo();
    this.threads = team.size;
    const sequences = options.sequences ?? 1;
    this.#forward = new Forward(manifest, backend, layout, { context: options.context, kv: options.kv, sequences }, team);
    this.#forward.prepare();
    this.#positions = new Int32Array(sequences);
    this.#alone = Array.from({ length: sequences }, (_, sequence) => [sequence]);
    const views = Array.from({ length: options.logitRows ?? 1 }, (_, row) => this.#logits(row));
    this.#rows = views.map((_, last) => views.slice(0, last + 1));
  }

  /** Observes inputs while it is set. */
  set tap(tap: Tap | null) {
    this.#forward.tap = tap;
  }

  /** Observes, and may change, what passes between linears while it is set. */
  set trace(trace: Trace | null) {
    if (trace && this.threads > 1) throw new TetradError('invalid_argument', `Cannot trace a model on ${this.threads} threads: needed is 1`);
    this.#forward.trace = trace;
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
    if (n < this.#positions[sequence]!) this.#positions[sequence] = this.#forward.caches[sequence]!.truncate(n);
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
    await this.#workers?.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #logits(row: number): Float32Array {
    const from = (this.#layout.logits >>> 2) + row * padded(this.#config.vocab);
    return this.backend.memory.f32.subarray(from, from + this.#config.vocab);
  }

  /** Runs `each` tokens of each of `sequences`, whose rows follow each other; leaves the logits of the last `rows` tokens. */
  #run(tokens: ArrayLike<number>, sequences: readonly number[], each: number, rows: number): void {
    if (this.#disposed) throw new TetradError('disposed', 'Cannot run tokens: the decoder has been disposed of');
    for (const sequence of sequences) {
      const room = this.blockRoom(sequence);
      if (each >= 1 && each <= room) continue;
      throw new TetradError('context_overflow', `Cannot run ${each} tokens: position ${this.#positions[sequence]} leaves room for 1 to ${room}`);
    }
    const { vocab } = this.#config;
    for (let t = 0; t < tokens.length; t++) {
      const id = tokens[t]!;
      if (!(id >= 0 && id < vocab)) throw new TetradError('invalid_argument', `Cannot embed token ${id}: the vocabulary has ${vocab}`);
    }
    this.#forward.embed(tokens);
    const { i32 } = this.backend.memory;
    const batch = this.#layout.batch >>> 2;
    for (let s = 0; s < sequences.length; s++) {
      const sequence = sequences[s]!;
      const position = this.#positions[sequence]!;
      i32[batch + 2 * s] = sequence;
      i32[batch + 2 * s + 1] = position;
      this.#forward.caches[sequence]!.begin(Math.floor(position / PAGE));
    }
    const command = this.#command;
    command.count = tokens.length;
    command.sequences = sequences.length;
    command.rows = rows;
    if (this.#workers) this.#workers.lead(this.#forward, command);
    else this.#forward.run(command);
    for (const sequence of sequences) this.#positions[sequence]! += each;
  }
}

/** Checks options, lays out memory, streams the image into it and binds the kernels. */
export async function createDecoder(image: ModelImage, open: OpenBackend, options: DecoderOptions): Promise<Decoder> {
  const { manifest } = image;
  const { context, kv, logitRows = 1, sequences = 1, threads = 1 } = options;
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
  return openPlan(image, open, { context, kv, threads, logitRows, sequences }, options, ({ backend, layout, workers }) => new Decoder(manifest, backend, layout, options, workers));
}
