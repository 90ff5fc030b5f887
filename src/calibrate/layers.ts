import type { OnProgress } from '../core/bytes.ts';
import type { Stopwatch } from '../core/stopwatch.ts';
import { KV32, type KvFormat } from '../formats/number-format.ts';
import type { Manifest, ModelImage } from '../models/image.ts';
import type { WeightStore } from '../models/weights.ts';
import type { Counts, OpenBackend } from '../runtime/stack.ts';
import type { ThreadHost } from '../runtime/workers.ts';
import { embeddings } from './embeddings.ts';
import { layerImage, layerRange, readLayer } from './layer-image.ts';
import { countsOf, layerMoments, type CountOptions, type LinearMoments } from './layer-moments.ts';
import { LayerRunner, type RunOptions } from './layer-runner.ts';
import { packStates, statesBytes, unpackStates, type Stream } from './streams.ts';
import { KeptWork, type WorkStore } from './work.ts';

export interface LayerOptions {
  /** Embeddings are read from it. */
  readonly store: WeightStore;
  /** The same model in f32, its linears rotated where they will be, but not permuted: a layer of it is read when its turn comes. */
  readonly source: ModelImage;
  /** Of the image that is being packed. */
  readonly packed: Manifest;
  /** Token ids. */
  readonly sequences: readonly (readonly number[])[];
  /** What hidden states have gone through before they enter a layer: the packed layers before it, or the f32 ones. */
  readonly inputs: 'quantised' | 'exact';
  /** Averages of inputs by attention: taken of one in `every` blocks of 64 queries; default: of none. */
  readonly averages?: { readonly every: number } | undefined;
  /** Tokens at the start of each sequence that moments leave out. Default 0. */
  readonly skip?: number | undefined;
  /** Whether moments say what inputs after packed layers differ by from those of the f32 model. Needs `quantised` inputs. Default: no. */
  readonly drift?: boolean | undefined;
  /** Cache with which packed layers run. Default: f32. */
  readonly kv?: KvFormat | undefined;
  readonly open: OpenBackend;
  readonly threads?: number | undefined;
  readonly host?: ThreadHost | null | undefined;
  /** Where layers are kept when they are done. `key`: a digest of all that they depend on. */
  readonly work?: { readonly store: WorkStore; readonly key: string } | undefined;
  /** Steps: `read` embeddings and f32 layers, run these for `moments`, `advance` hidden states to the next layer, `keep` what is done. */
  readonly watch: Stopwatch;
  readonly signal?: AbortSignal | undefined;
  /** Stage `calibrate`, in tokens times layers. */
  readonly onProgress?: OnProgress | undefined;
}

/** Names of what is kept. */
const STATES = 'states';
const layerEntry = (layer: number): string => `layer-${layer}`;

/**
 * Calibrates layer after layer while they are packed: for each, in ascending order, `saved`, then `hessians` if nothing was saved, then `packed`. Holds the
 * hidden states of all sequences, f32 [tokens, hidden], as they enter a layer; for drift also those of the f32 model. Where work is kept, a run that begins anew
 * goes on with the first layer that is missing, and gives the same bytes. After an error it can't go on.
 */
export class LayerCalibration implements AsyncDisposable {
  readonly #options: LayerOptions;
  readonly #lengths: readonly number[];
  readonly #tokens: number;
  readonly #counts: CountOptions;
  readonly #work: KeptWork | null;
  readonly #exact: LayerRunner;
  readonly #packed: LayerRunner;
  /** What layers are calibrated on. */
  readonly #own: Stream = { states: new Float32Array(), at: 0 };
  /** What it is compared with: the f32 model's. */
  readonly #twin: Stream | null;
  /** The layer that saved states enter, and the layer that was loaded last. */
  #savedAt = 0;
  #loaded = -1;

  private constructor(options: LayerOptions) {
    const { sequences, averages, skip = 0, drift = false, kv = KV32, open, threads, host, work } = options;
    const context = Math.max(...sequences.map((ids) => ids.length));
    this.#options = options;
    this.#lengths = sequences.map((ids) => ids.length);
    this.#tokens = this.#lengths.reduce((sum, length) => sum + length, 0);
    this.#counts = { skip, every: averages?.every ?? null };
    this.#work = work ? new KeptWork(work.store, work.key) : null;
    this.#twin = drift ? { states: new Float32Array(), at: 0 } : null;
    this.#exact = new LayerRunner(open, { context, kv: KV32, threads, host, moments: { attention: averages !== undefined, drift } });
    this.#packed = new LayerRunner(open, { context, kv, threads, host });
  }

  /** Reads embeddings, or the states that an earlier run has left. */
  static async begin(options: LayerOptions): Promise<LayerCalibration> {
    const calibration = new LayerCalibration(options);
    if (await calibration.#restore()) return calibration;
    const { store, sequences, source, signal } = options;
    const states = await options.watch.time('read', () => embeddings(store, sequences, source.manifest.rotated ?? false, signal));
    for (const stream of calibration.#streams) stream.states = states.slice();
    return calibration;
  }

  /** The bytes of a layer that an earlier run has packed, or null. */
  async saved(layer: number): Promise<Uint8Array | null> {
    const bytes = await this.#load(layerEntry(layer), layerRange(this.#options.packed, layer).bytes);
    if (bytes) this.#loaded = layer;
    return bytes;
  }

  /** Mean second moments of the inputs of a layer's linears, by name; once for each layer. Throws `invalid_argument` where they are not finite. */
  async hessians(layer: number, signal = this.#options.signal): Promise<ReadonlyMap<string, LinearMoments>> {
    this.#expect(layer);
    const keeps = this.#options.inputs === 'exact';
    const stack = await this.#loadExact(layer, signal);
    stack.moments?.clear();
    let done = layer * this.#tokens;
    const onTokens = (tokens: number): void => {
      done += tokens;
      this.#options.onProgress?.({ stage: 'calibrate', loaded: done, total: this.#tokens * this.#options.packed.config.layers });
    };
    return this.#options.watch.time('moments', async () => {
      const counts = (sequence: number): Counts => countsOf(this.#counts, sequence);
      if (this.#twin) await this.#compare(this.#twin, { counts, onTokens, signal });
      else await this.#run(this.#exact, this.#own, keeps, { counts, onTokens, signal });
      return layerMoments(stack, layer, this.#lengths, this.#counts);
    });
  }

  /** Takes over a layer that is done, and makes the next one's inputs. */
  async packed(layer: number, bytes: Uint8Array, signal = this.#options.signal): Promise<void> {
    const { inputs, packed } = this.#options;
    if (this.#loaded !== layer) await this.#save(layerEntry(layer), bytes);
    if (layer + 1 === packed.config.layers) return;
    if (this.#own.at <= layer) await this.#advance(this.#own, layer, inputs === 'exact' ? null : bytes, signal);
    if (this.#twin && this.#twin.at <= layer) await this.#advance(this.#twin, layer, null, signal);
    if (this.#streams.every(({ at }) => at > this.#savedAt)) await this.#saveStates();
  }

  async dispose(): Promise<void> {
    await Promise.all([this.#exact.dispose(), this.#packed.dispose()]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  get #streams(): Stream[] {
    return this.#twin ? [this.#own, this.#twin] : [this.#own];
  }

  #expect(layer: number, streams = this.#streams): void {
    const other = streams.find(({ at }) => at !== layer);
    if (other) throw new RangeError(`layer ${layer} is to be calibrated, hidden states enter layer ${other.at}`);
  }

  /** Takes a stream through a layer: a packed one, or where there are no bytes the f32 one. */
  async #advance(stream: Stream, layer: number, bytes: Uint8Array | null, signal?: AbortSignal): Promise<void> {
    this.#expect(layer, [stream]);
    if (bytes) await this.#packed.load(layerImage(this.#options.packed, layer, bytes), signal);
    else await this.#loadExact(layer, signal);
    await this.#options.watch.time('advance', () => this.#run(bytes ? this.#packed : this.#exact, stream, true, { signal }));
  }

  async #loadExact(layer: number, signal?: AbortSignal): ReturnType<LayerRunner['load']> {
    const { source, watch } = this.#options;
    return watch.time('read', async () => this.#exact.load(layerImage(source.manifest, layer, await readLayer(source, layer, signal)), signal));
  }

  /** Runs the layer that a stream's states enter; `keeps`: they become the next one's. */
  async #run(runner: LayerRunner, stream: Stream, keeps: boolean, options: RunOptions): Promise<void> {
    const next = stream.at + 1;
    if (keeps) stream.at = NaN;
    await runner.run(stream.states, this.#lengths, keeps ? stream.states : null, options);
    if (keeps) stream.at = next;
  }

  /** Runs the f32 layer over both streams, for moments; the twin's states become the next layer's. */
  async #compare(twin: Stream, options: RunOptions): Promise<void> {
    const next = twin.at + 1;
    twin.at = NaN;
    await this.#exact.run(this.#own.states, this.#lengths, null, { ...options, twins: twin.states });
    twin.at = next;
  }

  /** Takes over saved states, if every layer before the one that they enter is there. */
  async #restore(): Promise<boolean> {
    const { packed } = this.#options;
    let whole = 0;
    while (whole < packed.config.layers && (await this.#load(layerEntry(whole), layerRange(packed, whole).bytes))) whole++;
    const streams = this.#streams;
    const bytes = whole > 0 ? await this.#load(STATES, statesBytes(this.#tokens * packed.config.hidden, streams.length)) : null;
    if (!bytes || !unpackStates(bytes, streams, whole)) return false;
    this.#savedAt = this.#own.at;
    return true;
  }

  async #saveStates(): Promise<void> {
    if (!this.#work) return;
    await this.#save(STATES, packStates(this.#streams));
    this.#savedAt = this.#own.at;
  }

  #load(entry: string, bytes: number): Promise<Uint8Array<ArrayBuffer> | null> {
    return this.#options.watch.time('keep', async () => this.#work?.load(entry, bytes) ?? null);
  }

  #save(entry: string, content: Uint8Array): Promise<void> {
    return this.#options.watch.time('keep', async () => this.#work?.save(entry, content));
  }
}
