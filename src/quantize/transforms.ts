import type { ActivationSamples } from '../calibrate/samples.ts';
import type { LinearSpec } from '../models/sites.ts';
import type { WeightStore } from '../models/weights.ts';
import { foldStore } from './folded-store.ts';
import type { Recipe } from './schema.ts';
import { onlineSites, rotate } from './steps/rotate.ts';
import { smooth, smoothKeys } from './steps/smooth.ts';
import type { SiteRounding } from './steps/smooth-search.ts';

/** The first thing about a recipe's transforms that means nothing, or null: rotations come first, orders last, and both once. */
export function transformProblem(recipe: Recipe): string | null {
  const { transforms } = recipe;
  const online = onlineSites(recipe);
  for (const [i, transform] of transforms.entries()) {
    const { kind } = transform;
    if (kind === 'rotate' && i > 0) return `transforms.${i}.kind is "rotate" after another transform, needed is one rotation, first`;
    if (kind === 'reorder' && i < transforms.length - 1) return `transforms.${i}.kind is "reorder" before another transform, needed is one order, last`;
    if (kind !== 'smooth') continue;
    const at = transform.sites.findIndex((site) => (online as ReadonlySet<string>).has(site));
    if (at >= 0) return `transforms.${i}.sites.${at} is "${transform.sites[at]!}", which transforms.0.online rotates, needed is a site that is not rotated online`;
  }
  return null;
}

/**
 * The store as a recipe's rotation leaves it. Its f32 function is that of the source if the runtime does its part: `rotatesResidual` and `onlineSites`
 * say which. Calibration comes after it.
 */
export const rotateStore = async (store: WeightStore, recipe: Recipe): Promise<WeightStore> => foldStore(store, await rotate(store, recipe));

/** A rotated store and its samples as the recipe's smoothing leaves them. `rounding` is used by a search. */
export async function smoothStore(
  store: WeightStore, recipe: Recipe, samples: ActivationSamples, rounding: (spec: LinearSpec) => SiteRounding, signal?: AbortSignal,
): Promise<{ store: WeightStore; samples: ActivationSamples }> {
  let result = { store, samples };
  for (const transform of recipe.transforms) {
    if (transform.kind !== 'smooth' && transform.kind !== 'smoothKeys') continue;
    const smoothed = transform.kind === 'smooth'
      ? await smooth(result.store, transform, result.samples, rounding, signal)
      : smoothKeys(store.config, transform, result.samples);
    result = { store: foldStore(result.store, smoothed.folds), samples: smoothed.samples };
  }
  return result;
}
