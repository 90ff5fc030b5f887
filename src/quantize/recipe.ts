import { isCodes, isGrid, type ActFormat, type WeightFormat } from '../formats/number-format.ts';
import { SITES, type LinearSpec, type Site } from '../models/sites.ts';
import type { Block, Clip, Recipe, Rounding } from './schema.ts';

export type { Recipe } from './schema.ts';

/** What a recipe says about one linear. */
export interface SiteFormats {
  readonly weight: Recipe['weight'];
  readonly act: Recipe['act'];
  readonly rounding: Rounding;
  readonly clip: Clip;
}

const FIELDS = ['weight', 'act', 'rounding', 'clip'] as const;

/** Where a rule may apply: a site of a layer, in a model of so many. */
export type Place = Pick<LinearSpec, 'site' | 'layer' | 'layers'>;

type SiteRule = Recipe['sites'][number];

/** The layers [first, last] that a rule names in a model of so many, which may not have them all. */
export function layersOf({ match }: SiteRule, layers: number): readonly [number, number] {
  const [first, last] = match.layers ?? [0, -1];
  return [first < 0 ? first + layers : first, last < 0 ? last + layers : last];
}

function covers(rule: SiteRule, { site, layer, layers }: Place): boolean {
  if (rule.match.site !== site || rule.match.layers === undefined) return rule.match.site === site;
  const [first, last] = layersOf(rule, layers);
  return layer !== null && layer >= first && layer <= last;
}

/** Formats of a place and the path of the field that each comes from. */
export function resolve(recipe: Recipe, place: Place): { formats: SiteFormats; paths: Record<(typeof FIELDS)[number], string> } {
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

/** Layers of a model in which rules that count from the start and rules that count from the end do not meet, with a layer between them. */
function ampleLayers(recipe: Recipe): number {
  const ends = recipe.sites.flatMap(({ match }) => match.layers ?? []);
  return Math.max(0, ...ends.map((end) => end + 1)) + 1 + Math.max(0, ...ends.map((end) => -end));
}

/** Every place that a rule of the recipe tells from others: each site, in the layers at which some rule begins or ends. Default: in a model of ample size. */
export function places(recipe: Recipe, layers: number = ampleLayers(recipe)): Place[] {
  const ends = recipe.sites.map((rule) => layersOf(rule, layers)).flatMap(([first, last]) => [first, last + 1]);
  const borders = [...new Set([0, ...ends])].filter((layer) => layer >= 0 && layer < layers);
  return SITES.flatMap((site): Place[] => (site === 'output' ? [{ site, layer: null, layers }] : borders.map((layer) => ({ site, layer, layers }))));
}

export const some = (recipe: Recipe, holds: (formats: SiteFormats, site: Site) => boolean): boolean =>
  places(recipe).some((place) => holds(formatsOf(recipe, place), place.site));

/** Whether a recipe needs Hessians of layers' inputs. */
export const needsHessians = (recipe: Recipe): boolean =>
  some(recipe, ({ rounding, clip, weight }, site) => site !== 'output' && weight.bits !== 32 && (typeof rounding === 'object' || clip.by === 'output'));

/** What a recipe's rounding asks of second moments; `calibrate/layers.ts` has the words. */
export interface HessianNeeds {
  readonly inputs: 'exact' | 'quantised';
  /** Whether values' are taken after the attention average. */
  readonly attention: boolean;
  readonly skip: number;
  readonly correction: boolean;
}

export function hessianNeeds(recipe: Recipe): HessianNeeds {
  const roundings = places(recipe).flatMap((place): Exclude<Rounding, string>[] => {
    const { rounding } = formatsOf(recipe, place);
    return typeof rounding === 'object' ? [rounding] : [];
  });
  return {
    inputs: roundings.some(({ inputs }) => inputs === 'quantised') ? 'quantised' : 'exact',
    attention: roundings.some(({ attention }) => attention),
    skip: Math.max(0, ...roundings.map(({ skip }) => skip)),
    correction: roundings.some(({ correction }) => correction > 0),
  };
}

/** Whether an input's formats need plain statistics: constant ranges, or errors that rounding takes into account. */
const needsRange = ({ act, rounding }: SiteFormats): boolean =>
  isIntegerAct(act) && (act.range === 'static' || (typeof rounding === 'object' && rounding.noise === true));

/** Whether a recipe needs plain statistics of activations, and therefore a run of the f32 model. */
export const needsSamples = (recipe: Recipe): boolean =>
  recipe.transforms.some(({ kind }) => kind !== 'rotate') || stepOf(recipe, 'blocks') !== null || stepOf(recipe, 'columns') !== null
  || some(recipe, needsRange) || (isCodes(recipe.kv) && recipe.kv.per === 'static');

/** Whether a recipe needs calibration text. */
export const needsCalibration = (recipe: Recipe): boolean => needsSamples(recipe) || needsHessians(recipe);
