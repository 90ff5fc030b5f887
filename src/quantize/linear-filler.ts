import type { LinearMoments } from '../calibrate/layer-moments.ts';
import type { ActivationSamples, SiteSamples } from '../calibrate/samples.ts';
import { isGrid, type ActFormat } from '../formats/number-format.ts';
import { packFloatPanels } from '../formats/pack.ts';
import type { ArrayRef, Branch, Linear, Segment } from '../models/image.ts';
import type { LinearSpec } from '../models/sites.ts';
import type { WeightStore } from '../models/weights.ts';
import { samplesOf, type Choices } from './choices.ts';
import { hessianRanges, type HessianRange } from './hessians.ts';
import { LOW_RANK_BITS, type PlannedLinear } from './plan.ts';
import { formatsOf, stepOf, type Recipe } from './recipe.ts';
import { PLAIN } from './rounding/job.ts';
import { joinRounded, type Round, type Rounded } from './rounding/round.ts';
import { bytesOf, RowWriter, type Put } from './row-writer.ts';
import { checkFinite, chunkRows, RowReader } from './rows.ts';
import { orderKind } from './segments.ts';
import { inputNoise } from './steps/input-noise.ts';
import { kvConstants } from './steps/kv-constants.ts';
import { lowRank, type LowRank } from './steps/low-rank.ts';
import { takeGrid } from './steps/source.ts';
import { staticScales } from './steps/static-scales.ts';

/** Columns of rows [rows, cols] in the order given. */
function permuteColumns(values: Float32Array, cols: number, order: Int32Array): Float32Array {
  const permuted = new Float32Array(values.length);
  for (let row = 0; row < values.length; row += cols) {
    for (let k = 0; k < cols; k++) permuted[row + k] = values[row + order[k]!]!;
  }
  return permuted;
}

/** Where the arrays of a linear go: the bytes of the group that holds them, which starts at `base` of the image. */
export interface Target {
  readonly bytes: Uint8Array;
  readonly base: number;
}

export interface FillerOptions {
  readonly store: WeightStore;
  readonly recipe: Recipe;
  readonly choices: Choices;
  readonly samples: ActivationSamples | undefined;
  /** Rounds rows; may share them out among threads. */
  readonly round: Round;
}

/** A linear while it is made. */
interface Making {
  readonly spec: LinearSpec;
  readonly linear: Linear;
  /** The channel at each place of its input; null: as they are. */
  readonly order: Int32Array | null;
  readonly low: LowRank | null;
  /** What is known of the inputs, by rows. */
  readonly ranges: readonly HessianRange[];
}

/** Makes the arrays of linears: reads rows in the image's order, rounds them, packs them. Holds a chunk of rows, or one linear where a step needs it whole. */
export class LinearFiller {
  readonly #options: FillerOptions;
  readonly #reader: RowReader;
  /** Orders that linears' rows take over from the linear that reads them. */
  readonly #rowOrders: ReadonlyMap<string, Int32Array>;

  constructor(options: FillerOptions, specs: readonly LinearSpec[]) {
    const { recipe, choices, store } = options;
    this.#options = options;
    this.#reader = new RowReader(store);
    const folded = specs.filter((spec) => spec.folds !== null && orderKind(recipe, spec) === 'fold' && choices.orders.has(spec.name));
    this.#rowOrders = new Map(folded.map((spec) => [spec.folds!, choices.orders.get(spec.name)!]));
  }

  /** Writes all arrays of a linear. `hessians`: of its input, before any permutation. */
  async fill({ spec, linear, norm, kv }: PlannedLinear, target: Target, hessians: LinearMoments | null, signal?: AbortSignal): Promise<void> {
    const { choices, store, samples, recipe } = this.#options;
    const order = choices.orders.get(spec.name) ?? null;
    const put: Put = (ref, bytes, at = 0) => target.bytes.set(bytes, ref.offset - target.base + at);
    if (norm) {
      const values = await store.tensor(spec.norm!).read(0, 1, signal);
      checkFinite(spec.norm!, values);
      put(norm, bytesOf(order ? values.map((_, i) => values[order[i]!]!) : values));
    }
    if (kv) put(kv, bytesOf(kvConstants(recipe, store.config, spec.layer!, (name, cols) => samplesOf(samples, recipe, { name, cols }))));
    if (linear.permute) put(linear.permute, bytesOf(order!));
    for (const { actScales, act, k } of linear.segments) if (actScales && act) put(actScales, bytesOf(this.#actScales(spec, act, k, order)));
    const low = await this.#lowRank(spec, linear, order, signal);
    if (low) this.#putLowRank(linear, low, put);
    const making: Making = { spec, linear, order, low, ranges: hessianRanges(spec, hessians, order, this.#noise(spec, linear, order)) };
    const writer = new RowWriter(linear, put);
    const step = chunkRows(spec.cols);
    for (let first = 0; first < spec.rows; first += step) {
      signal?.throwIfAborted();
      const last = Math.min(spec.rows, first + step);
      writer.write(first, await this.#rounded(making, first, last, signal));
    }
    writer.finish();
  }

  /** f32 [last - first, cols], rows and columns in the image's order. */
  async #values(spec: LinearSpec, first: number, last: number, order: Int32Array | null, signal?: AbortSignal): Promise<Float32Array> {
    const values = await this.#reader.values(spec, first, last, this.#rowOrders.get(spec.name) ?? null, signal);
    return order ? permuteColumns(values, spec.cols, order) : values;
  }

  #actScales(spec: LinearSpec, act: ActFormat, [from, to]: readonly [number, number], order: Int32Array | null): Float32Array {
    const site: SiteSamples = samplesOf(this.#options.samples, this.#options.recipe, spec);
    const pick = (of: Float32Array): Float32Array => Float32Array.from({ length: to - from }, (_, i) => of[order ? order[from + i]! : from + i]!);
    return staticScales(act, pick(site.minimum), pick(site.maximum));
  }

  /** Errors of quantised inputs, where they count. */
  #noise(spec: LinearSpec, { segments }: Linear, order: Int32Array | null): Float64Array | null {
    const { recipe, samples } = this.#options;
    const { rounding } = formatsOf(recipe, spec);
    if (typeof rounding !== 'object' || !rounding.noise || !segments.some(({ act }) => act)) return null;
    return inputNoise(samplesOf(samples, recipe, spec), segments, order);
  }

  async #lowRank(spec: LinearSpec, linear: Linear, order: Int32Array | null, signal?: AbortSignal): Promise<LowRank | null> {
    const step = stepOf(this.#options.recipe, 'lowRank');
    if (!step || !linear.branches?.some(({ kind }) => kind === 'lowRank')) return null;
    const values = await this.#values(spec, 0, spec.rows, order, signal);
    return lowRank(values, spec.rows, spec.cols, step, linear.segments.map(({ k, weight }) => ({ from: k[0], to: k[1], weight })));
  }

  #putLowRank(linear: Linear, { up, down, rank }: LowRank, put: Put): void {
    const branch = linear.branches!.find((b): b is Extract<Branch, { kind: 'lowRank' }> => b.kind === 'lowRank')!;
    const pack = (values: Float32Array, rows: number, length: number, ref: ArrayRef): void => {
      const bytes = new Uint8Array(ref.bytes);
      packFloatPanels(values, rows, length, bytes, LOW_RANK_BITS);
      put(ref, bytes);
    };
    pack(down, rank, linear.cols, branch.down);
    pack(up, linear.rows, rank, branch.up);
  }

  /** Rows [first, last) rounded, each range of rows under its own Hessian. */
  async #rounded({ spec, linear, order, low, ranges }: Making, first: number, last: number, signal?: AbortSignal): Promise<Rounded> {
    const { recipe, round } = this.#options;
    const formats = formatsOf(recipe, spec);
    if (formats.rounding === 'source') return this.#taken(spec, linear.segments[0]!, first, last, signal);
    const values = await this.#values(spec, first, last, order, signal);
    if (low) subtract(values, low, first);
    const segments = linear.segments.map(({ k, weight }) => ({ from: k[0], to: k[1], weight }));
    const sparseShare = linear.branches?.some(({ kind }) => kind === 'sparse') ? stepOf(recipe, 'sparse')!.share : 0;
    const isOnGrid = segments.some(({ weight }) => isGrid(weight));
    const { cols } = spec;
    const parts: Rounded[] = [];
    for (const { rows, hessian, drift } of ranges) {
      const [from, to] = [Math.max(first, rows[0]), Math.min(last, rows[1])];
      if (from >= to) continue;
      const rules = isOnGrid ? { rounding: formats.rounding, clip: formats.clip, hessian, drift, sparseShare } : PLAIN;
      parts.push(await round({ rows: to - from, cols, values: values.subarray((from - first) * cols, (to - first) * cols), segments, ...rules }));
    }
    return joinRounded(parts);
  }

  async #taken(spec: LinearSpec, { weight }: Segment, first: number, last: number, signal?: AbortSignal): Promise<Rounded> {
    if (!isGrid(weight)) throw new TypeError(`${spec.name} has no grid`);
    return { segments: [takeGrid(await this.#reader.grid(spec, first, last, signal), last - first, spec.cols, weight)], sparse: null };
  }
}

/** values -= up * down for rows from `first` on. */
function subtract(values: Float32Array, { up, down, rank }: LowRank, first: number): void {
  const cols = down.length / rank;
  for (let row = 0; row * cols < values.length; row++) {
    for (let r = 0; r < rank; r++) {
      const factor = up[(first + row) * rank + r]!;
      for (let k = 0; k < cols; k++) values[row * cols + k]! -= factor * down[r * cols + k]!;
    }
  }
}
