import type { Backend, OpenBackend } from '../backends/backend.ts';
import { TetradError } from '../core/errors.ts';
import { PAGE } from '../formats/descriptor.ts';
import { padded } from '../formats/layout.ts';
import type { KvFormat } from '../formats/number-format.ts';
import type { ModelConfig } from '../models/config.ts';
import type { CopyOptions, Manifest, ModelImage } from '../models/image.ts';
import { fill } from './fill.ts';
import { Forward, type Tap } from './forward.ts';
import { layoutMemory, type MemoryLayout } from './layout.ts';
import { Solo } from './team.ts';
import { Workers, type ThreadHost } from './workers.ts';

export type { Tap } from './forward.ts';

export interface DecoderOptions extends CopyOptions {
  readonly context: number;
  readonly kv: KvFormat;
  /** Keep the logits of every position of a block, not only of the last. */
  readonly allLogits?: boolean | undefined;
  /** Threads that work together, the caller's included; default 1. More need `host`, and a backend over shared memory. */
  readonly threads?: number | undefined;
  readonly host?: ThreadHost | null | undefined;
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
  readonly #logitRows: number;
  #position = 0;
  #disposed = false;

  constructor(manifest: Manifest, backend: Backend, layout: MemoryLayout, options: DecoderOptions, workers: Workers | null = null) {
    this.manifest = manifest;
    this.backend = backend;
    this.context = options.context;
    this.#config = manifest.config;
    this.#layout = layout;
    this.#logitRows = options.allLogits ? PAGE : 1;
    this.#workers = workers;
    const team = workers?.team ?? new Solo();
    this.threads = team.size;
    this.#forward = new Forward(manifest, backend, layout, options, team);
  }

  /** Observes inputs while it is set. */
  set tap(tap: Tap | null) {
    this.#forward.tap = tap;
  }

  get vocab(): number {
    return this.#config.vocab;
  }

  /** Tokens in the cache. */
  get position(): number {
    return this.#position;
  }

  /** Most tokens that the next `forward` takes: a block never crosses a page. */
  blockRoom(): number {
    return Math.min(PAGE - (this.#position % PAGE), this.context - this.#position);
  }

  /** Keeps at most n tokens; returns the position reached, which a packed page may make lower. */
  truncate(n: number): number {
    if (n < this.#position) this.#position = this.#forward.kv.truncate(n);
    return this.#position;
  }

  /** Runs up to `blockRoom()` tokens. Returns the last one's logits [vocab]: a view that the next call overwrites. */
  forward(tokens: ArrayLike<number>): Float32Array {
    this.#run(tokens, 1);
    return this.#logits(0);
  }

  /** Runs up to `blockRoom()` tokens; `each` gets every position's logits [vocab] in order. Needs `allLogits`. */
  forwardAll(tokens: ArrayLike<number>, each: (logits: Float32Array, index: number) => void): void {
    if (this.#logitRows < tokens.length) throw new TetradError('invalid_argument', 'Cannot give all logits: the decoder was made without allLogits');
    this.#run(tokens, tokens.length);
    for (let t = 0; t < tokens.length; t++) each(this.#logits(t), t);
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

  #run(tokens: ArrayLike<number>, rows: number): void {
    if (this.#disposed) throw new TetradError('disposed', 'Cannot run tokens: the decoder has been disposed of');
    const count = tokens.length;
    const position = this.#position;
    if (count === 0 || count > this.blockRoom()) {
      throw new TetradError('context_overflow', `Cannot run ${count} tokens: position ${position} leaves room for 1 to ${this.blockRoom()}`);
    }
    const { vocab } = this.#config;
    for (let t = 0; t < count; t++) {
      const id = tokens[t]!;
      if (!(id >= 0 && id < vocab)) throw new TetradError('invalid_argument', `Cannot embed token ${id}: the vocabulary has ${vocab}`);
    }
    this.#forward.embed(tokens);
    this.#forward.kv.begin(Math.floor(position / PAGE));
    const command = { count, position, rows };
    if (this.#workers) this.#workers.lead(this.#forward, command);
    else this.#forward.run(command);
    this.#position += count;
  }
}

/** Checks options, lays out memory, streams the image into it and binds the kernels. */
export async function createDecoder(image: ModelImage, open: OpenBackend, options: DecoderOptions): Promise<Decoder> {
  const { manifest } = image;
  const { context, kv, allLogits, signal, onProgress, threads = 1, host } = options;
  if (!Number.isInteger(context) || context < 1 || context > manifest.config.context) {
    throw new TetradError('invalid_argument', `Cannot use a context of ${context} tokens: the model takes 1 to ${manifest.config.context}`);
  }
  const plan = { context, kv, threads, logitRows: allLogits ? PAGE : 1 };
  const layout = layoutMemory(manifest, plan);
  const backend = open(layout.total);
  if (threads > 1 && !(host && backend.handle)) throw new TetradError('invalid_argument', `Cannot run on ${threads} threads: the memory is not shared`);
  const workers = threads > 1 && host ? new Workers(host, { handle: backend.handle, plan: manifest, options: plan }) : null;
  try {
    await fill(image, backend.memory.u8.subarray(layout.image, layout.image + manifest.bytes), { signal, onProgress });
    const decoder = new Decoder(manifest, backend, layout, options, workers);
    await workers?.ready();
    return decoder;
  } catch (error) {
    await workers?.dispose();
    throw error;
  }
}
