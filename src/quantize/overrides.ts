import { TetradError } from '../core/errors.ts';
import { kvFormat, type KvBits } from '../formats/number-format.ts';
import { parseRecipe } from './parse.ts';
import type { Recipe } from './recipe.ts';

const fail = (setting: string, problem: string): never => {
  throw new TetradError('invalid_recipe', `Cannot apply ${JSON.stringify(setting.slice(0, 100))}: ${problem}`);
};

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

/** A JSON value, or the text itself: `0.5`, `{"bits":32}`, `u8`. */
function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** `kv=8` is short for the default format of that width. */
function expanded(setting: string): string {
  const bits = /^kv=(4|8|32)$/.exec(setting)?.[1];
  return bits === undefined ? setting : `kv=${JSON.stringify(kvFormat(Number(bits) as KvBits))}`;
}

/** Fields that some object of a recipe may lack; the schema says which. */
const OPTIONAL: ReadonlySet<string> = new Set([
  'clip', 'calibration', 'weight', 'act', 'rounding', 'layers', 'sites', 'zero', 'range', 'outliers', 'rotate', 'share', 'threshold', 'over', 'by', 'noise',
]);

/** Whether a target may gain a key: an optional field, or the next element of a list. */
const canAdd = (target: object, key: string): boolean => (Array.isArray(target) ? key === String(target.length) : OPTIONAL.has(key));

/**
 * A recipe with fields replaced: `weight.block=64`, `split.0.share=0.5`, `kv=8`. Paths must exist, but an index one past the end of a list
 * appends and optional fields may be added. Throws `invalid_recipe` otherwise, or where the result is no valid recipe.
 */
export function withOverrides(recipe: Recipe, settings: readonly string[]): Recipe {
  const copy: unknown = structuredClone(recipe);
  for (const setting of settings.map(expanded)) {
    const equals = setting.indexOf('=');
    if (equals < 1) fail(setting, 'there is no "path=value" in it');
    const path = setting.slice(0, equals).split('.');
    const last = path.pop()!;
    let target: unknown = copy;
    const enter = (key: string, adds: boolean): Record<string, unknown> => {
      if (isObject(target) && (Object.hasOwn(target, key) || (adds && canAdd(target, key)))) return target;
      const known = isObject(target) && Object.keys(target).length > 0 ? `one of ${Object.keys(target).join(', ')}` : 'no field';
      return fail(setting, `there is no ${JSON.stringify(key)}, needed is ${known}`);
    };
    for (const key of path) target = enter(key, false)[key];
    enter(last, true)[last] = valueOf(setting.slice(equals + 1));
  }
  return parseRecipe(copy);
}
