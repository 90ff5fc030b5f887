import type { OpenBackend } from '../backends/backend.ts';
import { collectSamples } from '../calibrate/collect.ts';
import { LayerCalibration, type LayerOptions } from '../calibrate/layers.ts';
import type { ActivationSamples } from '../calibrate/samples.ts';
import { checkText, sequencesOf } from '../calibrate/sequences.ts';
import { inputLosses, type Alter } from '../evaluate/input-losses.ts';
import { PAGE } from '../formats/descriptor.ts';
import { KV32, type KvBits } from '../formats/number-format.ts';
import type { CopyOptions, Manifest, ModelImage } from '../models/image.ts';
import { linearSpecs } from '../models/sites.ts';
import type { WeightStore } from '../models/weights.ts';
import { choose, orderBefore } from '../quantize/choices.ts';
import { withOverrides } from '../quantize/overrides.ts';
import { checkLayers, parseRecipe } from '../quantize/parse.ts';
import { hessianNeeds, needsCalibration, needsSamples, stepOf, type Recipe } from '../quantize/recipe.ts';
import { recipe as namedRecipe } from '../quantize/registry.ts';
import { quantize } from '../quantize/run.ts';
import { blockChoice } from '../quantize/segments.ts';
import { roundInputs } from '../quantize/steps/round-inputs.ts';
import { roundRows, type Round } from '../quantize/rounding/round.ts';
import { rotateStore, smoothStore } from '../quantize/transforms.ts';
import { createDecoder } from '../runtime/decoder.ts';
import type { ThreadHost } from '../runtime/workers.ts';
import { Tokenizer } from '../tokenizer/tokenizer.ts';

/** How a checkpoint becomes a packed model; a container is one already and ignores these. */
export interface RecipeOptions extends CopyOptions {
  /** A name from the library, or a recipe as data. Default `w4a8`. */
  readonly recipe?: string | object | undefined;
  /** Fields of the recipe to replace: `weight.block=64`, `split.0.share=0.5`. */
  readonly set?: readonly string[] | undefined;
  /** Width of the KV cache, in the default format of that width; `set` can change its fields. */
  readonly kv?: KvBits | undefined;
  /** Text to calibrate with, for recipes that need it. Default: the library's own. */
  readonly calibration?: string | undefined;
  /** Sequences of the text, and tokens of each. Default: what the recipe says, or 16 of 1,024. */
  readonly sequences?: number | undefined;
  readonly length?: number | undefined;
  /** Which sequences are taken from a longer text. Default 0. */
  readonly seed?: number | undefined;
}

/** Where the time of quantising went, in seconds by step. */
export type Timings = Readonly<Record<string, number>>;

/** What a platform lends to quantising. */
export interface Workshop {
  /** Kernels for `threads` threads. */
  readonly open: OpenBackend;
  readonly threads: number;
  readonly host: ThreadHost | null;
  readonly now: () => number;
  /** The library's own text to calibrate with. */
  readonly defaultText: () => Promise<string>;
  /** Rounds rows; default: on this thread. */
  readonly round?: Round | undefined;
  /** Where an interrupted run finds what it had done, for a recipe and its calibration. Default: nowhere. */
  readonly checkpoints?: ((about: object) => Promise<LayerOptions['checkpoints']>) | undefined;
  /** Hears the timings when the image is closed. */
  readonly onTimings?: ((timings: Timings) => void) | undefined;
}

const SEQUENCES = 16;
const LENGTH = 1024;
/** Most tokens, in whole sequences, that plain statistics are taken from. */
const STATISTICS_TOKENS = 8192;
/** Tokens on which losses are measured, linear by linear. */
const LOSS_TOKENS = 128;
/** Of so many blocks of 64 queries, one is averaged by attention. */
const AVERAGED = 4;

export function resolveRecipe({ recipe = 'w4a8', set = [], kv }: RecipeOptions): Recipe {
  const base = typeof recipe === 'string' ? namedRecipe(recipe) : parseRecipe(recipe);
  return withOverrides(base, kv === undefined ? set : [`kv=${kv}`, ...set]);
}

/** The f32 model that a recipe's rotation leaves, as an image. */
function f32Recipe(recipe: Recipe): Recipe {
  const rotate = stepOf(recipe, 'rotate');
  return { ...namedRecipe('f32'), transforms: rotate ? [rotate] : [] };
}

/** A stopwatch for the steps of quantising. */
class Clock {
  readonly seconds: Record<string, number> = {};
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  async time<T>(step: string, work: () => T | Promise<T>): Promise<T> {
    const start = this.#now();
    try {
      return await work();
    } finally {
      this.seconds[step] = (this.seconds[step] ?? 0) + (this.#now() - start) / 1000;
    }
  }
}

/** Token ids to calibrate with. */
async function calibrationOf(store: WeightStore, recipe: Recipe, options: RecipeOptions, workshop: Workshop) {
  const text = options.calibration ?? (await workshop.defaultText());
  checkText(text, options.calibration === undefined ? 'the default text' : 'the calibration text');
  const { sequences = recipe.calibration?.sequences ?? SEQUENCES, length = recipe.calibration?.length ?? LENGTH, seed = 0 } = options;
  const ids = new Tokenizer(store.tokenizer).encode(text);
  return sequencesOf(ids, { sequences, length: Math.min(length, store.config.context), seed });
}

/** Statistics of all linears' inputs on an f32 model. */
async function samplesFrom(source: ModelImage, sequences: readonly (readonly number[])[], { open, threads, host }: Workshop, { signal, onProgress }: CopyOptions): Promise<ActivationSamples> {
  const context = Math.max(...sequences.map((ids) => ids.length));
  await using decoder = await createDecoder(source, open, { context, kv: KV32, threads, host, signal, onProgress });
  return await collectSamples(decoder, sequences.slice(0, Math.ceil(STATISTICS_TOKENS / context)), { signal, onProgress });
}

/** What the f32 model loses where all activations of one linear are as the recipe quantises them, by linear whose blocks may get another width. */
async function lossesFrom(
  source: ModelImage, recipe: Recipe, samples: ActivationSamples, sequences: readonly (readonly number[])[], { open }: Workshop, { signal, onProgress }: CopyOptions,
): Promise<ReadonlyMap<string, number>> {
  const ids = sequences[0]!.slice(0, LOSS_TOKENS);
  const alters = linearSpecs(source.manifest.config).flatMap((spec): [string, Alter][] => {
    const choice = blockChoice(recipe, spec);
    const order = orderBefore(recipe, spec, samples);
    return choice && order ? [[spec.name, (values) => inOrder(values, order, (permuted) => roundInputs(permuted, spec.cols, choice.act))]] : [];
  });
  await using decoder = await createDecoder(source, open, { context: ids.length, kv: KV32, logitRows: PAGE, signal, onProgress });
  return await inputLosses(decoder, ids, new Map(alters), { signal, onProgress });
}

/** Does something to rows [tokens, order.length] whose columns are put in an order before and back afterwards. */
function inOrder(values: Float32Array, order: Int32Array, change: (permuted: Float32Array) => Float32Array): Float32Array {
  const cols = order.length;
  const changed = change(values.map((_, i) => values[i - (i % cols) + order[i % cols]!]!));
  const back = new Float32Array(values.length);
  changed.forEach((value, i) => (back[i - (i % cols) + order[i % cols]!] = value));
  return back;
}

/** A checkpoint as a packed image, calibrated as its recipe needs. The image owns the store. */
export async function quantizeStore(store: WeightStore, recipe: Recipe, options: RecipeOptions, workshop: Workshop): Promise<ModelImage> {
  const { signal, onProgress } = options;
  checkLayers(recipe, store.config.layers);
  const clock = new Clock(workshop.now);
  const round: Round = (job) => clock.time('rounding', () => (workshop.round ?? roundRows)(job));
  const rotated = await rotateStore(store, recipe);
  if (!needsCalibration(recipe)) return quantize(rotated, recipe, { round, signal, onProgress });
  const { sequences } = await calibrationOf(store, recipe, options, workshop);
  const f32 = f32Recipe(recipe);
  const plain = needsSamples(recipe) ? await clock.time('statistics', () => samplesFrom(quantize(rotated, f32), sequences, workshop, options)) : new Map();
  const { store: smoothed, samples } = await clock.time('smoothing', () => smoothStore(rotated, recipe, plain, signal));
  const source = quantize(smoothed, f32);
  const measured = stepOf(recipe, 'blocks')?.by === 'loss';
  const losses = measured ? await clock.time('losses', () => lossesFrom(source, recipe, samples, sequences, workshop, options)) : undefined;
  const choices = await clock.time('orders', () => choose(smoothed, recipe, samples, { losses, signal }));
  const layers = async (packed: Manifest): Promise<LayerCalibration> => {
    const { inputs, attention, skip, correction } = hessianNeeds(recipe);
    const { open, threads, host, now } = workshop;
    const checkpoints = await workshop.checkpoints?.({ recipe, sequences });
    return (calibration = await LayerCalibration.begin({
      store: smoothed, source, packed, sequences, inputs, skip, drift: correction, kv: recipe.kv, open, threads, host, now, signal, onProgress,
      ...(attention && { averages: { every: AVERAGED } }), checkpoints,
    }));
  };
  let calibration: LayerCalibration | null = null;
  const image = quantize(smoothed, recipe, { samples, choices, layers, round, signal, onProgress });
  const close = async (): Promise<void> => {
    workshop.onTimings?.({ ...clock.seconds, ...calibration?.timings });
    await image.close();
  };
  return { ...image, close };
}
