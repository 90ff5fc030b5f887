import type { OpenBackend } from '../backends/backend.ts';
import { collectSamples } from '../calibrate/collect.ts';
import { CALIBRATION_TEXT } from '../calibrate/text.ts';
import { KV32, type KvBits } from '../formats/number-format.ts';
import type { CopyOptions, ModelImage } from '../models/image.ts';
import type { WeightStore } from '../models/weights.ts';
import { withOverrides } from '../quantize/overrides.ts';
import { needsSamples, parseRecipe, type Recipe } from '../quantize/recipe.ts';
import { recipe as namedRecipe } from '../quantize/registry.ts';
import { quantize } from '../quantize/run.ts';
import { createDecoder } from '../runtime/decoder.ts';
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
}

const CALIBRATION_CONTEXT = 1024;

export function resolveRecipe({ recipe = 'w4a8', set = [], kv }: RecipeOptions): Recipe {
  const base = typeof recipe === 'string' ? namedRecipe(recipe) : parseRecipe(recipe);
  return withOverrides(base, kv === undefined ? set : [`kv=${kv}`, ...set]);
}

/** A checkpoint as a packed image; runs the f32 model over the calibration text first where the recipe needs samples. The image owns the store. */
export async function quantizeStore(
  store: WeightStore, recipe: Recipe, options: Pick<RecipeOptions, 'calibration' | 'signal' | 'onProgress'> & { readonly open: OpenBackend },
): Promise<ModelImage> {
  const { open, calibration = CALIBRATION_TEXT, signal, onProgress } = options;
  if (!needsSamples(recipe)) return quantize(store, recipe, { signal, onProgress });
  const context = Math.min(CALIBRATION_CONTEXT, store.config.context);
  const decoder = await createDecoder(quantize(store, namedRecipe('f32')), open, { context, kv: KV32, signal, onProgress });
  const samples = await collectSamples(decoder, new Tokenizer(store.tokenizer).encode(calibration), { signal, onProgress });
  return quantize(store, recipe, { samples, signal, onProgress });
}
