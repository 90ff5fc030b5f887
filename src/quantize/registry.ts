import { TetradError } from '../core/errors.ts';
import { parseRecipe } from './parse.ts';
import type { Recipe } from './recipe.ts';
import { atom } from './recipes/atom.ts';
import { comet } from './recipes/comet.ts';
import { cometRotated } from './recipes/comet-rotated.ts';
import { dgq } from './recipes/dgq.ts';
import { f32 } from './recipes/f32.ts';
import { gptq } from './recipes/gptq.ts';
import { house } from './recipes/house.ts';
import { keep } from './recipes/keep.ts';
import { llmInt8 } from './recipes/llm-int8.ts';
import { marlin } from './recipes/marlin.ts';
import { omniquant } from './recipes/omniquant.ts';
import { qoq } from './recipes/qoq.ts';
import { qoqChannel } from './recipes/qoq-channel.ts';
import { quarot } from './recipes/quarot.ts';
import { quik } from './recipes/quik.ts';
import { rptq } from './recipes/rptq.ts';
import { smoothquant } from './recipes/smoothquant.ts';
import { spqr } from './recipes/spqr.ts';
import { svdquant } from './recipes/svdquant.ts';
import { w4a4 } from './recipes/w4a4.ts';
import { w4a8 } from './recipes/w4a8.ts';
import { w4ax } from './recipes/w4ax.ts';
import { w8a8 } from './recipes/w8a8.ts';
import { zeroquant } from './recipes/zeroquant.ts';

const ROWS = [
  f32, w8a8, w4a8, w4a4, w4ax, keep, house, comet, cometRotated, gptq, smoothquant, llmInt8, zeroquant, omniquant, rptq, atom, quik, dgq, qoq, qoqChannel,
  spqr, svdquant, quarot, marlin,
];

const RECIPES: ReadonlyMap<string, Recipe> = new Map(ROWS.map(parseRecipe).map((row) => [row.name, row]));

export const RECIPE_NAMES: readonly string[] = [...RECIPES.keys()];

/** A recipe that ships with the library. Throws `unknown_recipe` listing them. */
export function recipe(name: string): Recipe {
  const found = RECIPES.get(name);
  if (found) return found;
  throw new TetradError('unknown_recipe', `Cannot find recipe ${JSON.stringify(name.slice(0, 64))}: there are ${RECIPE_NAMES.join(', ')}`);
}
