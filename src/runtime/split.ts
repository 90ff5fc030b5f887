import { TetradError } from '../core/errors.ts';
import { ceilTo } from '../formats/layout.ts';
import { mapArrays } from '../models/arrays.ts';
import { IMAGE_ALIGNMENT, type ArrayRef, type Linear } from '../models/image.ts';
import { linearArrays } from '../models/size.ts';
import { kvLayerBytes, layoutMemory, type LayoutOptions, type MemoryLayout, type Plan } from './layout.ts';

/** Bytes [from, to) of the image, which lie at `at` in the part's. */
export interface ImageRange {
  readonly from: number;
  readonly to: number;
  readonly at: number;
}

/** What lies in one memory: consecutive layers, and in the first part what stands before and after all of them. */
export interface PartPlan {
  readonly plan: Plan;
  readonly options: LayoutOptions;
  /** As rank 0 sees it. */
  readonly layout: MemoryLayout;
  /** By ascending `from`. */
  readonly ranges: readonly ImageRange[];
}

/** How many memories there are to be; `auto`: as few as can hold the model. */
export type Memories = number | 'auto';

/** Most bytes of a memory: what WebAssembly addresses but for its last page, so that an address behind an array is never 0. */
export const MOST_BYTES = 2 ** 32 - 65536;

/** A plan whose image lies in one memory as it is. */
export const wholePlan = (plan: Plan, options: LayoutOptions): PartPlan =>
  ({ plan, options, layout: layoutMemory(plan, options), ranges: [{ from: 0, to: plan.bytes, at: 0 }] });

/** The layer that a linear or a vector belongs to; null: it stands before or after them. */
const layerOf = (name: string): number | null => (name.startsWith('layers.') ? Number.parseInt(name.slice('layers.'.length), 10) : null);

const entriesOf = <T>(entries: Readonly<Record<string, T>>, has: (layer: number | null) => boolean): Record<string, T> =>
  Object.fromEntries(Object.entries(entries).filter(([name]) => has(layerOf(name))));

const arraysOf = (linears: Readonly<Record<string, Linear>>, vectors: Readonly<Record<string, ArrayRef>>): ArrayRef[] =>
  [...Object.values(linears).flatMap(linearArrays), ...Object.values(vectors)];

/** The ranges of an image of `bytes` bytes that hold these arrays and the padding behind each, moved together. */
function rangesOf(arrays: readonly ArrayRef[], bytes: number): ImageRange[] {
  const ranges: { from: number; to: number; at: number }[] = [];
  for (const { offset, bytes: length } of arrays.toSorted((a, b) => a.offset - b.offset)) {
    const end = Math.min(ceilTo(offset + length, IMAGE_ALIGNMENT), bytes);
    const last = ranges.at(-1);
    if (last && last.to === offset) last.to = end;
    else ranges.push({ from: offset, to: end, at: last ? last.at + last.to - last.from : 0 });
  }
  return ranges;
}

/** Layers [from, to) of a model as a plan of their own; with both ends if `from` is 0. */
function partOf(model: Plan, options: LayoutOptions, from: number, to: number): PartPlan {
  const ends = from === 0;
  const has = (layer: number | null): boolean => (layer === null ? ends : layer >= from && layer < to);
  const [linears, vectors] = [entriesOf(model.linears, has), entriesOf(model.vectors, has)];
  const ranges = rangesOf(arraysOf(linears, vectors), model.bytes);
  const moved = (ref: ArrayRef): ArrayRef => {
    const range = ranges.find((one) => one.from <= ref.offset && ref.offset < one.to)!;
    return { ...ref, offset: ref.offset - range.from + range.at };
  };
  const { from: start, to: end, at } = ranges.at(-1)!;
  const plan: Plan = {
    config: { ...model.config, layers: to - from },
    linears: mapArrays(linears, moved),
    vectors: mapArrays(vectors, moved),
    bytes: at + end - start,
    first: from,
    ...(ends && model.rotated && { rotated: model.rotated }),
  };
  const own = { ...options, logitRows: ends ? options.logitRows : 0 };
  return { plan, options: own, layout: layoutMemory(plan, own), ranges };
}

/** First layers of `count` parts of which the largest is as small as can be; `ends`: what the first part has besides its layers. */
function bounds(layers: readonly number[], ends: number, count: number): number[] {
  const within = (limit: number): number[] | null => {
    const starts = [0];
    let used = ends + layers[0]!;
    for (let layer = 1; layer < layers.length; layer++) {
      const must = layers.length - layer === count - starts.length; // the parts to come need a layer each
      if (!must && used + layers[layer]! <= limit) used += layers[layer]!;
      else if (starts.length === count) return null;
      else {
        starts.push(layer);
        used = layers[layer]!;
      }
    }
    return starts;
  };
  let [low, high] = [0, ends + layers.reduce((sum, bytes) => sum + bytes, 0)];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const starts = within(middle);
    if (starts && Math.max(ends + layers[0]!, ...layers) <= middle) high = middle;
    else low = middle + 1;
  }
  return within(high)!;
}

/** A model in `count` parts. */
function inParts(model: Plan, options: LayoutOptions, count: number): PartPlan[] {
  const { layers, kvHeads, headDim, vocab } = model.config;
  const cost = (has: (layer: number | null) => boolean): number =>
    arraysOf(entriesOf(model.linears, has), entriesOf(model.vectors, has)).reduce((sum, { bytes }) => sum + bytes, 0);
  const cache = options.sequences * kvLayerBytes(options.kv, options.context, kvHeads, headDim);
  const starts = bounds(Array.from({ length: layers }, (_, n) => cost((layer) => layer === n) + cache), cost((layer) => layer === null) + options.logitRows * vocab * 4, count);
  return starts.map((from, i) => partOf(model, options, from, starts[i + 1] ?? layers));
}

const gigabytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(2)} GiB`;

/**
 * Shares a model's layers out over memories. Where one is enough, or asked for, the image lies in it as it is. Throws `out_of_memory` where a part is larger than
 * `limit`, with `auto` only where a single layer is.
 */
export function splitPlan(model: Plan, options: LayoutOptions, memories: Memories = 'auto', limit = MOST_BYTES): readonly PartPlan[] {
  const { layers } = model.config;
  if (memories !== 'auto' && !(Number.isInteger(memories) && memories >= 1 && memories <= layers)) {
    throw new TetradError('invalid_argument', `Cannot use ${String(memories)} memories: needed is auto or an integer from 1 to ${layers}, as many as there are layers`);
  }
  const whole = wholePlan(model, options);
  const make = (count: number): readonly PartPlan[] => (count === 1 ? [whole] : inParts(model, options, count));
  const tooLarge = (parts: readonly PartPlan[]): PartPlan | undefined => parts.find(({ layout }) => layout.total > limit);
  let parts = make(memories === 'auto' ? Math.min(layers, Math.ceil(whole.layout.total / limit)) : memories);
  while (memories === 'auto' && parts.length < layers && tooLarge(parts)) parts = make(parts.length + 1);
  const part = tooLarge(parts);
  if (part) throw tooSmall(parts.length, part, limit);
  return parts;
}

function tooSmall(memories: number, { plan: { config, first = 0 }, layout }: PartPlan, limit: number): TetradError {
  const what = config.layers === 1 ? `layer ${first} alone needs` : `layers ${first} to ${first + config.layers - 1} need`;
  const needed = `${what} ${gigabytes(layout.total)}, WebAssembly addresses ${gigabytes(limit)}`;
  return new TetradError('out_of_memory', `Cannot lay out the model in ${memories === 1 ? '1 memory' : `${memories} memories`}: ${needed}`);
}
