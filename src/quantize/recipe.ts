import * as v from 'valibot';
import { TetradError } from '../core/errors.ts';
import { actFormat, clip, describeIssue, floatFormat, kvFormat, weightFormat } from '../container/formats.ts';
import { SITES, type Site } from '../models/sites.ts';

/** The source's own grid: its bits, block and kind of zero, with f16 scales. */
const sourceFormat = v.strictObject({ bits: v.literal('source') });

const weight = v.variant('bits', [weightFormat, floatFormat, sourceFormat]);
const act = v.variant('bits', [actFormat, floatFormat]);
/** How weights find their codes: the nearest on a grid fitted to each block, or the codes of the source's grid. */
const rounding = v.picklist(['nearest', 'source']);

/** Input channels sorted by mean square, ascending, so that a block holds channels of one magnitude. Needs calibration samples. */
const reorder = v.strictObject({ kind: v.literal('reorder'), by: v.literal('energy') });

/**
 * A share of the activation blocks, those that lose most in the recipe's `act`, gets another width; the channels are permuted so that
 * they come last (COMET: Towards Practical W4A4KV4 LLMs Serving, ASPLOS 2025). Needs calibration samples.
 */
const blocks = v.strictObject({
  kind: v.literal('blocks'),
  share: v.pipe(v.number(), v.minValue(0), v.maxValue(1)),
  act: v.strictObject({ bits: v.picklist([4, 8]), clip }),
});

/** Formats of one site instead of the recipe's own; later rules win. */
const siteRule = v.strictObject({
  match: v.strictObject({ site: v.picklist(SITES) }),
  weight: v.optional(weight),
  act: v.optional(act),
  rounding: v.optional(rounding),
});

const schema = v.strictObject({
  name: v.pipe(v.string(), v.regex(/^[\w.-]{1,64}$/)),
  description: v.string(),
  /** Where the method comes from; null: common practice. */
  paper: v.nullable(v.string()),
  transforms: v.pipe(v.array(reorder), v.maxLength(1)),
  split: v.pipe(v.array(blocks), v.maxLength(1)),
  rounding,
  weight,
  act,
  kv: kvFormat,
  sites: v.pipe(v.array(siteRule), v.maxLength(64)),
});

/** How a model becomes a packed one: plain data, JSON-serialisable, frozen. Stored in containers as provenance. */
export type Recipe = DeepReadonly<v.InferOutput<typeof schema>>;

/** What a recipe says about one site. */
export type SiteFormats = Pick<Recipe, 'weight' | 'act' | 'rounding'>;

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;

function freeze<T>(value: T): DeepReadonly<T> {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(freeze);
  return value as DeepReadonly<T>;
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
  const result = v.safeParse(schema, value);
  const problem = result.success ? contradiction(result.output) : describeIssue(result.issues);
  if (problem === null) return freeze(result.output as v.InferOutput<typeof schema>);
  const name = typeof value === 'object' && value !== null && 'name' in value && typeof value.name === 'string' ? ` ${JSON.stringify(value.name.slice(0, 64))}` : '';
  throw new TetradError('invalid_recipe', `Cannot use recipe${name}: ${problem}`);
}
