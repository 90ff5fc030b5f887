import type { OpenBackend } from '../backends/backend.ts';
import { collectSamples } from '../calibrate/collect.ts';
import type { ActivationSamples } from '../calibrate/samples.ts';
import { sequencesOf } from '../calibrate/sequences.ts';
import { dequantise } from '../formats/dequantise.ts';
import { KV32, type KvBits } from '../formats/number-format.ts';
import type { CopyOptions, ModelImage } from '../models/image.ts';
import type { LinearSpec } from '../models/sites.ts';
import type { WeightStore } from '../models/weights.ts';
import { choose } from '../quantize/choices.ts';
import { withOverrides } from '../quantize/overrides.ts';
import { parseRecipe } from '../quantize/parse.ts';
import { formatsOf, isIntegerAct, isNamedGrid, needsCalibration, needsSamples, stepOf, type Recipe } from '../quantize/recipe.ts';
import { recipe as namedRecipe } from '../quantize/registry.ts';
import { quantize } from '../quantize/run.ts';
import { nearest } from '../quantize/steps/nearest.ts';
import { roundInputs } from '../quantize/steps/round-inputs.ts';
import type { Round } from '../quantize/steps/round.ts';
import type { SiteRounding } from '../quantize/steps/smooth-search.ts';
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
  /** Sequences of the text, and tokens of each. Default: what the recipe says, or 64 of 512. */
  readonly sequences?: number | undefined;
  readonly length?: number | undefined;
  /** Which sequences are taken from a longer text. Default 0. */
  readonly seed?: number | undefined;
}

/** What a platform lends to calibration. */
export interface Workshop {
  readonly open: OpenBackend;
  readonly threads?: number | undefined;
  readonly host?: ThreadHost | null | undefined;
  /** Rounds rows; default: on this thread. */
  readonly round?: Round | undefined;
}

/** Text to calibrate with where the caller gives none. */
export type DefaultText = () => Promise<string>;

const SEQUENCES = 64;
const LENGTH = 512;

export function resolveRecipe({ recipe = 'w4a8', set = [], kv }: RecipeOptions): Recipe {
  const base = typeof recipe === 'string' ? namedRecipe(recipe) : parseRecipe(recipe);
  return withOverrides(base, kv === undefined ? set : [`kv=${kv}`, ...set]);
}

/** The f32 model that a recipe's rotation leaves, as an image. */
function f32Recipe(recipe: Recipe): Recipe {
  const rotate = stepOf(recipe, 'rotate');
  return { ...namedRecipe('f32'), transforms: rotate ? [rotate] : [] };
}

/** What a search for smoothing factors tries its candidates with. */
const siteRounding = (recipe: Recipe) => (spec: LinearSpec): SiteRounding => {
  const { weight, act } = formatsOf(recipe, spec);
  return {
    weights(values, rows) {
      if (!isNamedGrid(weight)) return values;
      const { codes, rowScales } = nearest(values, rows, values.length / rows, weight);
      return dequantise(weight, codes, rowScales);
    },
    inputs: (values) => (isIntegerAct(act) ? roundInputs(values, spec.cols, act) : values),
  };
};
