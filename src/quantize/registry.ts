import { TetradError } from '../core/errors.ts';
import { parseRecipe, type Recipe } from './recipe.ts';
import { f32 } from './recipes/f32.ts';
import { keep } from './recipes/keep.ts';
import { w4a4 } from './recipes/w4a4.ts';
import { w4a8 } from './recipes/w4a8.ts';
import { w4ax } from './recipes/w4ax.ts';
import { w8a8 } from './recipes/w8a8.ts';

const RECIPES: ReadonlyMap<string, Recipe> = new Map([f32, w8a8, w4a8, w4a4, w4ax, keep].map(parseRecipe).map((row) => [row.name, row]));

export const RECIPE_NAMES: readonly string[] = [...RECIPES.keys()];

/** A recipe that ships with the library. Throws `unknown_recipe` listing them. */
export function recipe(name: string): Recipe {
  const found = RECIPES.get(name);
  if (found) return found;
  throw new TetradError('unknown_recipe', `Cannot find recipe ${JSON.stringify(name.slice(0, 64))}: there are ${RECIPE_NAMES.join(', ')}`);
}
