import { readFile } from 'node:fs/promises';
import { TetradError } from '../../core/errors.ts';

/** A name stays as it is; a path of a JSON file becomes the recipe in it. */
export async function recipeFrom(recipe: string | undefined): Promise<string | object | undefined> {
  if (recipe === undefined || !/[\\/]|\.json$/.test(recipe)) return recipe;
  const text = await readFile(recipe, 'utf8').catch((cause: unknown) => {
    throw new TetradError('unknown_recipe', `Cannot read the recipe ${recipe}: there is no such file, needed is JSON with a recipe`, { cause });
  });
  try {
    return Object(JSON.parse(text)) as object;
  } catch (cause) {
    throw new TetradError('invalid_recipe', `Cannot read the recipe ${recipe}: it is not JSON, needed is one object`, { cause });
  }
}
