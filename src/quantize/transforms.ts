import type { ActivationSamples } from '../calibrate/samples.ts';
import type { LinearSpec } from '../models/sites.ts';
import type { WeightStore } from '../models/weights.ts';
import { foldStore } from './folded-store.ts';
import type { Recipe } from './schema.ts';
import { rotate } from './steps/rotate.ts';
import { smooth, smoothKeys } from './steps/smooth.ts';
import type { SiteRounding } from './steps/smooth-search.ts';

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
