import * as v from 'valibot';
import { TetradError } from '../core/errors.ts';
import { describeIssue } from '../container/formats.ts';
import { isCodes, isGrid } from '../formats/number-format.ts';
import { integerProblem } from '../models/image.ts';
import { isIntegerAct, isNamedGrid, layersOf, places, resolve, some, stepOf, type Place } from './recipe.ts';
import { recipeSchema, type Recipe } from './schema.ts';

/** What formats of one place contradict, or null. */
function formatProblem(recipe: Recipe, place: Place): string | null {
  const { formats: { weight: w, act: a, rounding, clip }, paths } = resolve(recipe, place);
  const block = place.site !== 'output';
  if (w.bits === 'source' && rounding !== 'source') return `${paths.rounding} is ${JSON.stringify(rounding)} where ${paths.weight}.bits is "source", needed is "source"`;
  if (w.bits !== 'source' && !isGrid(w)) {
    if (isIntegerAct(a)) return `${paths.act}.bits is ${a.bits} where ${paths.weight}.bits is ${w.bits}, needed is 32`;
    if (rounding === 'source') return `${paths.rounding} is "source" where ${paths.weight}.bits is ${w.bits}, needed is "nearest"`;
    return null;
  }
  if (rounding === 'source' && (recipe.transforms.some(({ kind }) => kind === 'rotate') || (block && recipe.transforms.length + recipe.split.length > 0))) {
    return `${paths.rounding} is "source" in a recipe that transforms or permutes channels, needed is "nearest": the source's blocks do not survive`;
  }
  if (isNamedGrid(w) && isIntegerAct(a)) {
    const problem = integerProblem(w, a);
    if (problem) return `${paths.weight} and ${paths.act} are ${problem}`;
  }
  if (isNamedGrid(w) && !block && (w.bits === 3 || w.scale === 'u3')) return `${paths.weight} has ${w.bits} bits and ${w.scale} scales, needed for the output layer, which is also the embedding, are 4 or more and other scales`;
  if (typeof rounding === 'object' && !block) return `${paths.rounding}.kind is "${rounding.kind}" at the output layer, needed is "nearest"`;
  if (clip.by === 'output' && !block) return `${paths.clip}.by is "output" at the output layer, needed is another rule`;
  if (typeof rounding === 'object' && rounding.order === 'energy' && rounding.groups === 'updated') {
    return `${paths.rounding}.groups is "updated" where ${paths.rounding}.order is "energy", needed is "static" or the order "blocks"`;
  }
  if (typeof rounding === 'object' && rounding.correction > 0) {
    const at = `${paths.rounding}.correction is ${rounding.correction}`;
    if (rounding.inputs === 'exact') return `${at} where ${paths.rounding}.inputs is "exact", needed is "quantised"`;
    if (stepOf(recipe, 'lowRank')) return `${at} beside a low-rank branch, needed is 0: what the branch's own inputs differ by would not be made up for`;
  }
  if (isIntegerAct(a) && a.outliers !== undefined && (a.range === 'static' || a.zero)) return `${paths.act}.outliers is ${a.outliers} where activations are static or asymmetric, needed are dynamic symmetric ones`;
  return null;
}

/** What steps contradict, or null. */
function stepProblem(recipe: Recipe): string | null {
  for (const list of ['transforms', 'split'] as const) {
    const kinds = recipe[list].map(({ kind }) => kind as string);
    const twice = kinds.findIndex((kind, i) => kinds.indexOf(kind) < i);
    if (twice >= 0) return `${list}.${twice}.kind is "${kinds[twice]}" for the second time, needed is at most one`;
  }
  const path = (kind: string): string => `split.${recipe.split.findIndex((step) => step.kind === kind)}`;
  const [blocks, columns] = [stepOf(recipe, 'blocks'), stepOf(recipe, 'columns')];
  if (blocks && (blocks.share === undefined) === (blocks.threshold === undefined)) return `${path('blocks')} has ${blocks.share === undefined ? 'neither' : 'both'} of share and threshold, needed is one`;
  if (blocks && !some(recipe, ({ act }, site) => site !== 'output' && isIntegerAct(act) && act.block !== 'row')) return `${path('blocks')} has no activation blocks to choose from, needed is an act.block of 32, 64 or 128`;
  if (columns && isIntegerAct(columns.act)) {
    const problem = isGrid(columns.weight) ? integerProblem(columns.weight, columns.act) : 'integer activations and weights without a grid';
    if (problem) return `${path('columns')} has ${problem}`;
  }
  return cacheProblem(recipe.kv);
}

/** Constants of a cache are ranges of keys as calibration sees them: behind RoPE, not rotated. */
function cacheProblem(kv: Recipe['kv']): string | null {
  if (!isCodes(kv) || kv.per !== 'static') return null;
  if (kv.rope === 'before') return 'kv.rope is "before" where kv.per is "static", needed is "after": ranges are those of keys behind RoPE';
  return kv.rotate ? 'kv.rotate is true where kv.per is "static", needed is "token": ranges are those of keys that are not rotated' : null;
}

/** The first thing about a recipe's transforms that means nothing, or null: a rotation comes first, an order last. */
function transformProblem(recipe: Recipe): string | null {
  const { transforms } = recipe;
  const online: readonly string[] = stepOf(recipe, 'rotate')?.online ?? [];
  for (const [i, transform] of transforms.entries()) {
    const { kind } = transform;
    if (kind === 'rotate' && i > 0) return `transforms.${i}.kind is "rotate" after another transform, needed is a rotation that comes first`;
    if (kind === 'reorder' && i < transforms.length - 1) return `transforms.${i}.kind is "reorder" before another transform, needed is an order that comes last`;
    if (kind !== 'smooth') continue;
    const at = transform.sites.findIndex((site) => online.includes(site));
    if (at >= 0) return `transforms.${i}.sites.${at} is "${transform.sites[at]!}", which transforms.0.online rotates, needed is a site that is not rotated online`;
  }
  return null;
}

const formatProblems = (recipe: Recipe, at: readonly Place[]): string | null => at.map((place) => formatProblem(recipe, place)).find((problem) => problem !== null) ?? null;

/** The first combination of valid fields that means nothing, or null. */
const contradiction = (recipe: Recipe): string | null => formatProblems(recipe, places(recipe)) ?? stepProblem(recipe) ?? transformProblem(recipe);

/** The first rule for layers that a model of so many does not have, or null. */
function layersProblem({ sites }: Recipe, layers: number): string | null {
  for (const [i, rule] of sites.entries()) {
    const [first, last] = layersOf(rule, layers);
    if (first < 0 || last >= layers || first > last) {
      return `sites.${i}.match.layers is ${JSON.stringify(rule.match.layers)}, needed are the first and the last of some layers from 0 to ${layers - 1}, or counted from the end from -${layers} to -1`;
    }
  }
  return null;
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(freeze);
  return value;
}

const refusal = (name: string, problem: string): TetradError => new TetradError('invalid_recipe', `Cannot use recipe${name}: ${problem}`);

/** Throws `invalid_recipe` where a recipe's rules do not fit a model of so many layers: it lacks some, or rules meet that contradict each other. */
export function checkLayers(recipe: Recipe, layers: number): void {
  const problem = layersProblem(recipe, layers) ?? formatProblems(recipe, places(recipe, layers));
  if (problem !== null) throw refusal(` ${JSON.stringify(recipe.name)}`, problem);
}

/** Checks and freezes a recipe. Throws `invalid_recipe` naming the field. */
export function parseRecipe(value: unknown): Recipe {
  const result = v.safeParse(recipeSchema, value);
  const problem = result.success ? contradiction(result.output) : describeIssue(result.issues);
  if (problem === null) return freeze(result.output as Recipe);
  const name = typeof value === 'object' && value !== null && 'name' in value && typeof value.name === 'string' ? ` ${JSON.stringify(value.name.slice(0, 64))}` : '';
  throw refusal(name, problem);
}
