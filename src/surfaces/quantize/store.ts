import { LayerCalibration } from '../../calibrate/layers.ts';
import { Stopwatch } from '../../core/stopwatch.ts';
import type { Manifest, ModelImage } from '../../models/image.ts';
import type { WeightStore } from '../../models/weights.ts';
import { choose } from '../../quantize/choices.ts';
import { checkLayers } from '../../quantize/parse.ts';
import { hessianNeeds, needsCalibration, needsSamples, stepOf, type Recipe } from '../../quantize/recipe.ts';
import { recipe as namedRecipe } from '../../quantize/registry.ts';
import { roundRows, type Round } from '../../quantize/rounding/round.ts';
import { quantize, type QuantizeOptions } from '../../quantize/run.ts';
import { rotateStore, smoothStore } from '../../quantize/transforms.ts';
import { calibrationSequences, lossesFrom, samplesFrom } from './calibration.ts';
import type { RecipeOptions, Workshop } from './options.ts';

/** Of so many blocks of 64 queries, one is averaged by attention. */
const AVERAGED = 4;

/** The f32 model that a recipe's rotation leaves. */
function f32Recipe(recipe: Recipe): Recipe {
  const rotate = stepOf(recipe, 'rotate');
  return { ...namedRecipe('f32'), transforms: rotate ? [rotate] : [] };
}

/** What a recipe that looks at activations is made from: statistics, the store as they smooth it, the choices that they decide, moments layer by layer. */
async function calibrate(
  rotated: WeightStore, recipe: Recipe, options: RecipeOptions, workshop: Workshop, watch: Stopwatch,
): Promise<QuantizeOptions & { readonly store: WeightStore }> {
  const { signal, onProgress } = options;
  const sequences = await calibrationSequences(rotated, recipe, options, workshop);
  const f32 = f32Recipe(recipe);
  const plain = needsSamples(recipe) ? await watch.time('statistics', () => samplesFrom(quantize(rotated, f32), sequences, workshop, options)) : new Map();
  const { store, samples } = await watch.time('smoothing', () => smoothStore(rotated, recipe, plain, signal));
  const source = quantize(store, f32);
  const byLoss = stepOf(recipe, 'blocks')?.by === 'loss';
  const losses = byLoss ? await watch.time('losses', () => lossesFrom(source, recipe, samples, sequences, workshop, options)) : undefined;
  const choices = await watch.time('orders', () => choose(store, recipe, samples, { losses, signal }));
  const layers = async (packed: Manifest): Promise<LayerCalibration> => {
    const { inputs, attention, skip, correction } = hessianNeeds(recipe);
    const { open, threads, host } = workshop;
    return LayerCalibration.begin({
      store, source, packed, sequences, inputs, skip, drift: correction, kv: recipe.kv, open, threads, host, watch, signal, onProgress,
      ...(attention && { averages: { every: AVERAGED } }), work: await workshop.work?.({ recipe, sequences }),
    });
  };
  return { store, samples, choices, layers };
}

/** A checkpoint as a packed image, calibrated as its recipe needs. The image owns the store. */
export async function quantizeStore(store: WeightStore, recipe: Recipe, options: RecipeOptions, workshop: Workshop): Promise<ModelImage> {
  const { signal, onProgress } = options;
  checkLayers(recipe, store.config.layers);
  const watch = new Stopwatch(workshop.now);
  const round: Round = (job) => watch.time('rounding', () => (workshop.round ?? roundRows)(job));
  const rotated = await rotateStore(store, recipe);
  const { store: made, ...calibrated } = needsCalibration(recipe) ? await calibrate(rotated, recipe, options, workshop, watch) : { store: rotated };
  const image = quantize(made, recipe, { ...calibrated, round, signal, onProgress });
  const close = async (): Promise<void> => {
    workshop.onTimings?.(watch.timings);
    await image.close();
  };
  return { ...image, close };
}
