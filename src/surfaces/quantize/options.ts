import type { OpenBackend } from '../../backends/backend.ts';
import type { LayerOptions } from '../../calibrate/layers.ts';
import type { Timings } from '../../core/stopwatch.ts';
import type { KvBits } from '../../formats/number-format.ts';
import type { CopyOptions } from '../../models/image.ts';
import { withOverrides } from '../../quantize/overrides.ts';
import { parseRecipe } from '../../quantize/parse.ts';
import type { Recipe } from '../../quantize/recipe.ts';
import { recipe as namedRecipe } from '../../quantize/registry.ts';
import type { Round } from '../../quantize/rounding/round.ts';
import type { ThreadHost } from '../../runtime/workers.ts';

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

/** What a platform lends to quantising. */
export interface Workshop {
  /** Kernels for `threads` threads. */
  readonly open: OpenBackend;
  readonly threads: number;
  readonly host: ThreadHost | null;
  /** Milliseconds on a steady clock. */
  readonly now: () => number;
  /** The library's own text to calibrate with. */
  readonly defaultText: () => Promise<string>;
  /** Rounds rows; default: on this thread. */
  readonly round?: Round | undefined;
  /** Where an interrupted run finds what it had done, for a recipe and its calibration. Default: nowhere. */
  readonly work?: ((about: object) => Promise<LayerOptions['work']>) | undefined;
  /** Hears where the time went when the image is closed. */
  readonly onTimings?: ((timings: Timings) => void) | undefined;
}

export function resolveRecipe({ recipe = 'w4a8', set = [], kv }: RecipeOptions): Recipe {
  const base = typeof recipe === 'string' ? namedRecipe(recipe) : parseRecipe(recipe);
  return withOverrides(base, kv === undefined ? set : [`kv=${kv}`, ...set]);
}
