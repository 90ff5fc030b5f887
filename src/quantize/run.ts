import type { ActivationSamples } from '../calibrate/samples.ts';
import type { WeightFormat } from '../formats/number-format.ts';
import { packFloatPanels, packPanels } from '../formats/pack.ts';
import { packRowScales, ROW_SCALE_BYTES } from '../formats/row-scales.ts';
import type { CopyOptions, ModelImage, Piece, Segment } from '../models/image.ts';
import { linearSpecs, type LinearSpec } from '../models/sites.ts';
import type { WeightStore } from '../models/weights.ts';
import { channelOrder, samplesOf } from './orders.ts';
import { isPermuted, planImage, type ImagePart } from './plan.ts';
import { formatsOf, type Recipe } from './recipe.ts';
import { chunkRows, RowReader } from './rows.ts';
import { fitRows, type Fits } from './steps/fit.ts';
import { nearest, type QuantisedRows } from './steps/nearest.ts';
import { sourceRowScales, takeGrid } from './steps/source.ts';
import { rowSteps } from './steps/two-level.ts';

/** Progress has the stage `quantise` and counts bytes of the image; `signal` stops the next piece. */
export interface QuantizeOptions extends CopyOptions {
  /** What calibration saw; needed by recipes that permute channels. */
  readonly samples?: ActivationSamples | undefined;
}

/** Columns `order[from..to)` of rows [rows, cols]; `order` null: columns [from, to). */
function selectColumns(values: Float32Array, cols: number, [from, to]: readonly [number, number], order: Int32Array | null): Float32Array {
  if (!order && to - from === cols) return values;
  const length = to - from;
  const rows = values.length / cols;
  const selected = new Float32Array(rows * length);
  for (let row = 0; row < rows; row++) {
    for (let k = 0; k < length; k++) selected[row * length + k] = values[row * cols + (order ? order[from + k]! : from + k)]!;
  }
  return selected;
}

const bytesOf = (array: Float32Array | Int32Array | Uint32Array): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** Rows [first, last) of a segment that starts at channel `from`. */
interface Fitted {
  readonly spec: LinearSpec;
  readonly from: number;
  readonly first: number;
  readonly last: number;
  readonly values: Float32Array;
  readonly fits: Fits;
}

/** Fills the parts of an image from a store. */
class Filler {
  readonly #store: WeightStore;
  readonly #recipe: Recipe;
  readonly #samples: ActivationSamples | undefined;
  readonly #reader: RowReader;
  #last: Fitted | null = null;
  readonly #orders = new Map<string, Int32Array>();
  /** Linears whose rows take another one's order, by name. */
  readonly #folds: ReadonlyMap<string, LinearSpec>;

  constructor(store: WeightStore, recipe: Recipe, samples: ActivationSamples | undefined) {
    this.#store = store;
    this.#recipe = recipe;
    this.#samples = samples;
    this.#reader = new RowReader(store);
    const permuted = linearSpecs(store.config).filter((spec) => isPermuted(recipe, spec));
    permuted.forEach((spec) => samplesOf(samples, recipe, spec));
    this.#folds = new Map(permuted.flatMap((spec) => (spec.folds ? [[spec.folds, spec]] : [])));
  }

  /** The order of a linear's input channels; null: as in the source. */
  async #order(spec: LinearSpec, signal?: AbortSignal): Promise<Int32Array | null> {
    if (!isPermuted(this.#recipe, spec)) return null;
    const known = this.#orders.get(spec.name);
    if (known) return known;
    const order = await channelOrder(this.#recipe, spec, samplesOf(this.#samples, this.#recipe, spec), this.#reader, signal);
    this.#orders.set(spec.name, order);
    return order;
  }

  /** f32 [last - first, channels of the segment], rows and columns in the image's order. */
  async #values(spec: LinearSpec, segment: Segment, first: number, last: number, signal?: AbortSignal): Promise<Float32Array> {
    const folded = this.#folds.get(spec.name);
    const rowOrder = folded ? await this.#order(folded, signal) : null;
    const order = await this.#order(spec, signal);
    return selectColumns(await this.#reader.values(spec, first, last, rowOrder, signal), spec.cols, segment.k, order);
  }

  /** Values of rows and the grids fitted to them; row scales and panels of a small linear share them. */
  async #fitted(spec: LinearSpec, segment: Segment, format: WeightFormat, first: number, last: number, signal?: AbortSignal): Promise<Fitted> {
    const known = this.#last;
    if (known && known.spec === spec && known.from === segment.k[0] && known.first === first && known.last === last) return known;
    this.#last = null;
    const values = await this.#values(spec, segment, first, last, signal);
    this.#last = { spec, from: segment.k[0], first, last, values, fits: fitRows(values, last - first, segment.k[1] - segment.k[0], format) };
    return this.#last;
  }

  #takesGrid = (spec: LinearSpec): boolean => formatsOf(this.#recipe, spec.site).rounding === 'source';

  async #panels(spec: LinearSpec, segment: Segment, [first, last]: readonly [number, number], target: Uint8Array, signal?: AbortSignal): Promise<void> {
    const rows = last - first;
    const length = segment.k[1] - segment.k[0];
    const { weight } = segment;
    if (weight.bits === 32) return packFloatPanels(await this.#values(spec, segment, first, last, signal), rows, length, target);
    const quantise = async (): Promise<QuantisedRows> => {
      if (this.#takesGrid(spec)) return takeGrid(await this.#reader.grid(spec, first, last, signal), rows, length, weight);
      const { values, fits } = await this.#fitted(spec, segment, weight, first, last, signal);
      return nearest(values, rows, length, weight, fits);
    };
    packPanels(weight, (await quantise()).codes, target);
  }

  async #rowScales(spec: LinearSpec, segment: Segment, target: Uint8Array, signal?: AbortSignal): Promise<void> {
    const { weight } = segment;
    if (weight.bits === 32) return;
    const step = chunkRows(spec.cols);
    for (let first = 0; first < spec.rows; first += step) {
      const last = Math.min(spec.rows, first + step);
      const scales = this.#takesGrid(spec)
        ? sourceRowScales(await this.#reader.grid(spec, first, last, signal), last - first, weight)
        : rowSteps(weight, (await this.#fitted(spec, segment, weight, first, last, signal)).fits, last - first);
      target.set(bytesOf(packRowScales(scales)), first * ROW_SCALE_BYTES);
    }
  }

  /** Writes a part; `target` is zero where nothing is written. */
  async fill(part: ImagePart, target: Uint8Array, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    switch (part.kind) {
      case 'panels': return this.#panels(part.spec, part.segment, part.rows, target, signal);
      case 'rowScales': return this.#rowScales(part.spec, part.segment, target, signal);
      case 'permutation': return target.set(bytesOf((await this.#order(part.spec, signal))!));
      case 'vector': {
        const order = await this.#order(part.spec, signal);
        const values = await this.#store.tensor(part.name).read(0, 1, signal);
        return target.set(bytesOf(order ? Float32Array.from(order, (channel) => values[channel]!) : values));
      }
      default: return part satisfies never;
    }
  }
}

/**
 * Packs a checkpoint by a recipe. The layout of the image is known at once; weights are read and quantised piece by piece (at most 16 MiB of
 * image each, about 100 MiB of memory), in any order. Closing the image closes the store.
 *
 * Throws `invalid_argument` where the recipe needs samples that are not given, `unsupported_type` where it keeps a source's grid that has
 * no exact format, `missing_tensor` and `invalid_file` for an incomplete store.
 */
export function quantize(store: WeightStore, recipe: Recipe, options: QuantizeOptions = {}): ModelImage {
  const { signal: stop, onProgress } = options;
  const { manifest, parts } = planImage(store, recipe);
  const filler = new Filler(store, recipe, options.samples);
  return {
    manifest,
    *pieces(): Iterable<Piece> {
      for (const [i, part] of parts.entries()) {
        const bytes = (parts[i + 1]?.offset ?? manifest.bytes) - part.offset;
        const fill = async (target: Uint8Array, signal?: AbortSignal): Promise<void> => {
          stop?.throwIfAborted();
          target.fill(0);
          await filler.fill(part, target.subarray(0, part.bytes), signal ?? stop);
          onProgress?.({ stage: 'quantise', loaded: part.offset + bytes, total: manifest.bytes });
        };
        yield { offset: part.offset, bytes, fill };
      }
    },
    close: () => store.close(),
  };
}
