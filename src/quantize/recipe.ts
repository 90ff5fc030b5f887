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

/** Where a rule may apply: a site of a layer. */
export type Place = Pick<LinearSpec, 'site' | 'layer'>;

const covers = ({ match: { site, layers } }: Recipe['sites'][number], place: Place): boolean =>
  site === place.site && (layers === undefined || (place.layer !== null && place.layer >= layers[0] && place.layer <= layers[1]));

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

/** Every place that a rule of the recipe tells from others: each site, in the layers at which some rule begins or ends. */
export function places(recipe: Recipe): Place[] {
  const borders = new Set([0, ...recipe.sites.flatMap(({ match: { layers } }) => (layers ? [layers[0], layers[1] + 1] : []))]);
  return SITES.flatMap((site): Place[] => (site === 'output' ? [{ site, layer: null }] : [...borders].map((layer) => ({ site, layer }))));
}

export const some = (recipe: Recipe, holds: (formats: SiteFormats, site: Site) => boolean): boolean =>
  places(recipe).some((place) => holds(formatsOf(recipe, place), place.site));

/** Whether a recipe needs Hessians of layers' inputs. */
export const needsHessians = (recipe: Recipe): boolean =>
  some(recipe, ({ rounding, clip, weight }, site) => site !== 'output' && weight.bits !== 32 && (typeof rounding === 'object' || clip.by === 'output'));

/** What a recipe's rounding asks of Hessians: the states that they are taken from, and whether values' are taken after the attention average. */
export function hessianNeeds(recipe: Recipe): { readonly inputs: 'exact' | 'quantised'; readonly attention: boolean } {
  const asks = (holds: (rounding: Exclude<Rounding, string>) => boolean): boolean => some(recipe, ({ rounding }) => typeof rounding === 'object' && holds(rounding));
  return { inputs: asks(({ inputs }) => inputs === 'quantised') ? 'quantised' : 'exact', attention: asks(({ attention }) => attention) };
}

/** Whether a recipe needs plain statistics of activations, and therefore a run of the f32 model. */
export const needsSamples = (recipe: Recipe): boolean =>
  recipe.transforms.some(({ kind }) => kind !== 'rotate') || stepOf(recipe, 'blocks') !== null || stepOf(recipe, 'columns') !== null
  || some(recipe, ({ act }) => isIntegerAct(act) && act.range === 'static') || (isCodes(recipe.kv) && recipe.kv.per === 'static');

/** Whether a recipe needs calibration text. */
export const needsCalibration = (recipe: Recipe): boolean => needsSamples(recipe) || needsHessians(recipe);
