import * as v from 'valibot';
import { TetradError } from '../core/errors.ts';
import { describeIssue } from '../container/formats.ts';
import { SITES, type Site } from '../models/sites.ts';
import { recipeSchema, type Recipe } from './schema.ts';

export type { Recipe } from './schema.ts';

/** What a recipe says about one site. */
export type SiteFormats = Pick<Recipe, 'weight' | 'act' | 'rounding'>;

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(freeze);
  return value;
}

/** Formats of a site and the path of the field that each comes from. */
function resolve(recipe: Recipe, site: Site): { formats: SiteFormats; paths: Record<keyof SiteFormats, string> } {
  const formats = { weight: recipe.weight, act: recipe.act, rounding: recipe.rounding };
  const paths = { weight: 'weight', act: 'act', rounding: 'rounding' };
  recipe.sites.forEach((rule, i) => {
    if (rule.match.site !== site) return;
    for (const key of ['weight', 'act', 'rounding'] as const) {
      if (rule[key] === undefined) continue;
      Object.assign(formats, { [key]: rule[key] });
      paths[key] = `sites.${i}.${key}`;
    }
  });
  return { formats, paths };
}

export const formatsOf = (recipe: Recipe, site: Site): SiteFormats => resolve(recipe, site).formats;

/** Whether a recipe chooses a permutation of some site's inputs, and therefore needs calibration samples. */
export const needsSamples = (recipe: Recipe): boolean => recipe.transforms.length > 0 || recipe.split.length > 0;

/** The first combination of valid fields that means nothing, or null. */
function contradiction(recipe: Recipe): string | null {
  for (const site of SITES) {
    const { formats, paths } = resolve(recipe, site);
    const { weight: w, act: a } = formats;
    if ((w.bits === 32) !== (a.bits === 32)) return `${paths.act}.bits is ${a.bits} where ${paths.weight}.bits is ${w.bits}, needed are 32 for both or for none`;
    if (w.bits === 'source' && formats.rounding !== 'source') return `${paths.rounding} is "nearest" where ${paths.weight}.bits is "source", needed is "source"`;
    if (w.bits === 32 && formats.rounding === 'source') return `${paths.rounding} is "source" where ${paths.weight}.bits is 32, needed is "nearest"`;
    if ('block' in w && 'block' in a && a.block % w.block !== 0) {
      return `${paths.act}.block is ${a.block}, needed is a multiple of ${paths.weight}.block, ${w.block}`;
    }
    if (needsSamples(recipe) && site !== 'output' && formats.rounding === 'source') {
      return `${paths.rounding} is "source" in a recipe that permutes channels, needed is "nearest": the source's blocks do not survive`;
    }
  }
  return null;
}

/** Checks and freezes a recipe. Throws `invalid_recipe` naming the field. */
export function parseRecipe(value: unknown): Recipe {
  const result = v.safeParse(recipeSchema, value);
  const problem = result.success ? contradiction(result.output) : describeIssue(result.issues);
  if (problem === null) return freeze(result.output as Recipe);
  const name = typeof value === 'object' && value !== null && 'name' in value && typeof value.name === 'string' ? ` ${JSON.stringify(value.name.slice(0, 64))}` : '';
  throw new TetradError('invalid_recipe', `Cannot use recipe${name}: ${problem}`);
}
