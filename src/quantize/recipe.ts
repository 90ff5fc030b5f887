import * as v from 'valibot';
import { TetradError } from '../core/errors.ts';
import { describeIssue } from '../container/formats.ts';
import { isCodes, isGrid, type ActFormat, type WeightFormat } from '../formats/number-format.ts';
import { integerProblem } from '../models/image.ts';
import { SITES, type LinearSpec, type Site } from '../models/sites.ts';
import { recipeSchema, type Block, type Clip, type Recipe, type Rounding } from './schema.ts';

export type { Recipe } from './schema.ts';

/** What a recipe says about one linear. */
export interface SiteFormats {
  readonly weight: Recipe['weight'];
  readonly act: Recipe['act'];
  readonly rounding: Rounding;
  readonly clip: Clip;
}

const FIELDS = ['weight', 'act', 'rounding', 'clip'] as const;

/** Where a rule may apply: a site of a layer. */
type Place = Pick<LinearSpec, 'site' | 'layer'>;

const covers = ({ match: { site, layers } }: Recipe['sites'][number], place: Place): boolean =>
  site === place.site && (layers === undefined || (place.layer !== null && place.layer >= layers[0] && place.layer <= layers[1]));

/** Formats of a place and the path of the field that each comes from. */
function resolve(recipe: Recipe, place: Place): { formats: SiteFormats; paths: Record<(typeof FIELDS)[number], string> } {
  const formats = { weight: recipe.weight, act: recipe.act, rounding: recipe.rounding, clip: recipe.clip ?? { by: 'leastSquares' as const } };
  const paths = { weight: 'weight', act: 'act', rounding: 'rounding', clip: 'clip' };
  recipe.sites.forEach((rule, i) => {
    if (!covers(rule, place)) return;
    for (const key of FIELDS) {
      if (rule[key] === undefined) continue;
      Object.assign(formats, { [key]: rule[key] });
      paths[key] = `sites.${i}.${key}`;
    }
  });
  return { formats, paths };
}

export const formatsOf = (recipe: Recipe, spec: Place): SiteFormats => resolve(recipe, spec).formats;

type StepKind = Recipe['transforms'][number]['kind'] | Recipe['split'][number]['kind'];

/** The recipe's step of one kind; a recipe has at most one of each. */
export const stepOf = <K extends StepKind>(recipe: Recipe, kind: K): Block<K> | null =>
  ([...recipe.transforms, ...recipe.split].find((step) => step.kind === kind) as Block<K> | undefined) ?? null;

/** Integer activations. */
export const isIntegerAct = (act: Recipe['act']): act is ActFormat => act.bits !== 32;
/** Weights on a grid that the recipe names. */
export const isNamedGrid = (weight: Recipe['weight']): weight is WeightFormat => weight.bits !== 'source' && isGrid(weight);

/** Every place that a rule of the recipe tells from others: each site, in the layers at which some rule begins or ends. */
function places(recipe: Recipe): Place[] {
  const borders = new Set([0, ...recipe.sites.flatMap(({ match: { layers } }) => (layers ? [layers[0], layers[1] + 1] : []))]);
  return SITES.flatMap((site): Place[] => (site === 'output' ? [{ site, layer: null }] : [...borders].map((layer) => ({ site, layer }))));
}

const some = (recipe: Recipe, holds: (formats: SiteFormats, site: Site) => boolean): boolean =>
  places(recipe).some((place) => holds(formatsOf(recipe, place), place.site));

/** Whether a recipe needs Hessians of layers' inputs. */
export const needsHessians = (recipe: Recipe): boolean =>
  some(recipe, ({ rounding, clip, weight }, site) => site !== 'output' && weight.bits !== 32 && (typeof rounding === 'object' || clip.by === 'output'));

/** Whether a recipe needs plain statistics of activations, and therefore a run of the f32 model. */
export const needsSamples = (recipe: Recipe): boolean =>
  recipe.transforms.some(({ kind }) => kind !== 'rotate') || stepOf(recipe, 'blocks') !== null || stepOf(recipe, 'columns') !== null
  || some(recipe, ({ act }) => isIntegerAct(act) && act.range === 'static') || (isCodes(recipe.kv) && recipe.kv.per === 'static');

/** Whether a recipe needs calibration text. */
export const needsCalibration = (recipe: Recipe): boolean => needsSamples(recipe) || needsHessians(recipe);

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
    return `${paths.rounding}.groups is "updated" where ${paths.rounding}.order is "energy", needed is "static"`;
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
  const path = (kind: string): string => {
    const at = recipe.transforms.findIndex((step) => step.kind === kind);
    return at >= 0 ? `transforms.${at}` : `split.${recipe.split.findIndex((step) => step.kind === kind)}`;
  };
  const [rotate, smooth, blocks, columns] = [stepOf(recipe, 'rotate'), stepOf(recipe, 'smooth'), stepOf(recipe, 'blocks'), stepOf(recipe, 'columns')];
  const both = smooth?.sites.find((site) => rotate?.online.some((online) => online === site));
  if (both) return `${path('smooth')}.sites has ${both}, whose input ${path('rotate')}.online rotates, needed is one of both`;
  if (blocks && (blocks.share === undefined) === (blocks.threshold === undefined)) return `${path('blocks')} has ${blocks.share === undefined ? 'neither' : 'both'} of share and threshold, needed is one`;
  if (blocks && !some(recipe, ({ act }, site) => site !== 'output' && isIntegerAct(act) && act.block !== 'row')) return `${path('blocks')} has no activation blocks to choose from, needed is an act.block of 32, 64 or 128`;
  if (columns && isIntegerAct(columns.act)) {
    const problem = isGrid(columns.weight) ? integerProblem(columns.weight, columns.act) : 'integer activations and weights without a grid';
    if (problem) return `${path('columns')} has ${problem}`;
  }
  return null;
}

/** The first combination of valid fields that means nothing, or null. */
function contradiction(recipe: Recipe): string | null {
  for (const place of places(recipe)) {
    const problem = formatProblem(recipe, place);
    if (problem) return problem;
  }
  return stepProblem(recipe);
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(freeze);
  return value;
}

/** Checks and freezes a recipe. Throws `invalid_recipe` naming the field. */
export function parseRecipe(value: unknown): Recipe {
  const result = v.safeParse(recipeSchema, value);
  const problem = result.success ? contradiction(result.output) : describeIssue(result.issues);
  if (problem === null) return freeze(result.output as Recipe);
  const name = typeof value === 'object' && value !== null && 'name' in value && typeof value.name === 'string' ? ` ${JSON.stringify(value.name.slice(0, 64))}` : '';
  throw new TetradError('invalid_recipe', `Cannot use recipe${name}: ${problem}`);
}
