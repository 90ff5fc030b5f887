import type { OpenBackend } from '../backends/backend.ts';
import { TetradError } from '../core/errors.ts';
import { PAGE } from '../formats/descriptor.ts';
import { padded } from '../formats/layout.ts';
import type { KvFormat } from '../formats/number-format.ts';
import type { CopyOptions, Manifest, ModelImage } from '../models/image.ts';
import { fill } from './fill.ts';
import { Forward, type Tap } from './forward.ts';
import { checkKv } from './kv-check.ts';
import type { LayoutOptions } from './layout.ts';
import type { MomentOptions } from './moment-layout.ts';
import type { Counted } from './moments.ts';
import { openPlan, type OpenOptions, type Opened } from './open-plan.ts';
import { wholeRegion } from './regions.ts';
import { Solo } from './team.ts';

export type { OpenBackend } from '../backends/backend.ts';

export interface StackOptions extends OpenOptions {
  /** Most tokens of a sequence. */
  readonly context: number;
  readonly kv: KvFormat;
  /** Threads that work together, the caller's included; default 1. More need `host`, and a backend over shared memory. */
  readonly threads?: number | undefined;
  /** Which second moments can be summed up; default: none. */
  readonly moments?: MomentOptions | undefined;
}

/** Which tokens of a sequence the second moments count. */
export interface Counts {
  /** Tokens before this position do not count. */
  readonly from: number;
  /** Whether what the queries of a page of 64 tokens average counts; default: none does. */
  readonly attention?: (page: number) => boolean;
}

/** The same tokens with other values, of which only the difference is of interest: rows f32 [tokens, hidden]; `out` takes what the last layer makes of them. */
export interface Twin {
  readonly rows: Float32Array;
  readonly out: Float32Array;
}

/** Consecutive layers without what stands before and after them: hidden states go in, sequence by sequence, and come out. Not for layers of other shapes. */
export class LayerStack implements AsyncDisposable {
  readonly manifest: Manifest;
  readonly context: number;
  readonly #opened: Opened;
  readonly #forward: Forward;
  /** Tokens of the sequence so far. */
  #position = 0;
  readonly #command = { count: 0, sequences: 1, rows: 0 };
  #disposed = false;

  constructor(manifest: Manifest, opened: Opened, options: LayoutOptions) {
    const { backend, layout, workers } = opened;
    this.manifest = manifest;
    this.context = options.context;
    this.#opened = opened;
    this.#forward = new Forward(manifest, backend, layout, options, workers?.team ?? new Solo());
    this.#forward.prepare();
  }

  /** Observes inputs while it is set. */
  set tap(tap: Tap | null) {
    this.#forward.tap = tap;
  }

  /** Second moments of the tokens that counted since they were last cleared; null: there is no memory for them. */
  get moments(): Pick<NonNullable<Forward['moments']>, 'clear' | 'inputs' | 'drift' | 'averages'> | null {
    return this.#forward.moments;
  }

  /** Begins another sequence. */
  reset(): void {
    for (const cache of this.#forward.caches) cache.truncate(0);
    this.#position = 0;
  }

  /** Whether `refill` takes an image: it has the same arrays in the same places. */
  fits({ config, linears, vectors, bytes }: Manifest): boolean {
    const own = this.manifest;
    const same = (a: object, b: object): boolean => JSON.stringify(a) === JSON.stringify(b);
    return bytes === own.bytes && same(config, own.config) && same(linears, own.linears) && same(vectors, own.vectors);
  }

  /** Puts other weights of the same layout into the place of those that are there; begins another sequence. */
  async refill(image: ModelImage, options: CopyOptions = {}): Promise<void> {
    if (!this.fits(image.manifest)) throw new TetradError('invalid_argument', 'Cannot replace layers: the layout of the new ones differs, needed is the same');
    const { layout, backend } = this.#opened;
    await fill(image, wholeRegion(backend.memory.u8.subarray(layout.image, layout.image + image.manifest.bytes)), options);
    this.#forward.prepare();
    this.reset();
  }

  /**
   * Runs the next tokens of the sequence: rows f32 [tokens, hidden]. What the last layer leaves goes into `out`, which may be `rows`; null: only its inputs are
   * wanted. `counts`: what second moments are to sum up, `twin`: what they are to compare inputs with; both the same for all calls of a sequence.
   */
  run(rows: Float32Array, out: Float32Array | null, counts: Counts | null = null, twin: Twin | null = null): void {
    const { hidden } = this.manifest.config;
    const tokens = rows.length / hidden;
    if (this.#disposed) throw new TetradError('disposed', 'Cannot run layers: they have been disposed of');
    if (!Number.isInteger(tokens) || (out && out.length !== rows.length)) {
      throw new TetradError('invalid_argument', `Cannot run layers on ${rows.length} values into ${out?.length ?? 'none'}: needed are as many, in rows of ${hidden}`);
    }
    if (twin && (this.#forward.caches.length < 2 || twin.rows.length !== rows.length || twin.out.length !== rows.length)) {
      throw new TetradError('invalid_argument', `Cannot compare layers' inputs with ${twin.rows.length} values: needed are ${rows.length}, and memory for drift`);
    }
    if (this.#position + tokens > this.context) {
      throw new TetradError('context_overflow', `Cannot run ${tokens} tokens: position ${this.#position} leaves room for ${this.context - this.#position}`);
    }
    for (let done = 0; done < tokens; ) {
      const count = Math.min(tokens - done, PAGE - (this.#position % PAGE));
      const [from, to] = [done * hidden, (done + count) * hidden];
      const counted = counts && this.#counted(counts);
      if (twin) this.#block(twin.rows.subarray(from, to), twin.out.subarray(from, to), count, 1, counted && { ...counted, drift: 'kept' });
      this.#block(rows.subarray(from, to), out && out.subarray(from, to), count, 0, counted && { ...counted, ...(twin && { drift: 'compared' }) });
      this.#position += count;
      done += count;
    }
  }

  /** What counts of the next block. */
  #counted({ from, attention }: Counts): Counted {
    return { from: Math.max(0, from - this.#position), attention: attention?.(Math.floor(this.#position / PAGE)) ?? false };
  }

  /** Up to a page of tokens, which crosses none, as the next of sequence number `sequence`. */
  #block(rows: Float32Array, out: Float32Array | null, count: number, sequence: number, counted: Counted | null): void {
    const { layout, backend, workers } = this.#opened;
    const { hidden } = this.manifest.config;
    const { f32, i32 } = backend.memory;
    const stride = padded(hidden);
    const x = layout.x >>> 2;
    for (let t = 0; t < count; t++) f32.set(rows.subarray(t * hidden, (t + 1) * hidden), x + t * stride);
    i32[layout.batch >>> 2] = sequence;
    i32[(layout.batch >>> 2) + 1] = this.#position;
    this.#forward.caches[sequence]!.begin(Math.floor(this.#position / PAGE));
    this.#forward.moments?.begin(counted);
    this.#command.count = count;
    this.#command.rows = out ? 0 : -1;
    if (workers) workers.lead(this.#forward, this.#command);
    else this.#forward.run(this.#command);
    for (let t = 0; out && t < count; t++) out.set(f32.subarray(x + t * stride, x + t * stride + hidden), t * hidden);
  }

  /** Ends the threads; later calls fail with `disposed`. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    await this.#opened.workers?.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

/** Lays out memory for an image of layers only, streams it in and binds the kernels. */
export async function createLayerStack(image: ModelImage, open: OpenBackend, options: StackOptions): Promise<LayerStack> {
  const { context, kv, threads, moments } = options;
  checkKv(image.manifest, kv);
  const plan = { context, kv, threads, moments, logitRows: 0, sequences: moments?.drift ? 2 : 1 };
  return openPlan(image, open, plan, options, (opened) => new LayerStack(image.manifest, opened, plan));
}
