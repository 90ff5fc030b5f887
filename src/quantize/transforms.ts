import type { ActivationSamples } from '../calibrate/samples.ts';
import { dequantise } from '../formats/dequantise.ts';
import type { LinearSpec } from '../models/sites.ts';
import type { WeightStore } from '../models/weights.ts';
import { foldStore } from './folded-store.ts';
import { formatsOf, isIntegerAct, isNamedGrid, type Recipe } from './recipe.ts';
import { nearest } from './rounding/nearest.ts';
import { rotate } from './steps/rotate.ts';
import { roundInputs } from './steps/round-inputs.ts';
import { smooth, smoothKeys } from './steps/smooth.ts';
import type { SiteRounding } from './steps/smooth-search.ts';

/**
 * The store as a recipe's rotation leaves it. Its f32 function is that of the source if the runtime does its part, `Manifest.rotated` and `Linear.rotate`.
 * Calibration comes after it.
 */
export const rotateStore = async (store: WeightStore, recipe: Recipe): Promise<WeightStore> => foldStore(store, await rotate(store, recipe));

/** What a search for smoothing factors tries its candidates with. */
const siteRounding = (recipe: Recipe) => (spec: LinearSpec): SiteRounding => {
  const { weight, act } = formatsOf(recipe, spec);
  return {
    weights(values, rows) {
      if (!isNamedGrid(weight)) return values;
      const { codes, rowScales } = nearest(values, rows, values.length / rows, weight);
      return dequantise(weight, codes, rowScales);
    },
    inputs: (values) => (isIntegerAct(act) ? roundInputs(values, spec.cols, act) : values),
  };
};

/** A rotated store and its samples as the recipe's smoothing leaves them. */
export async function smoothStore(
  store: WeightStore, recipe: Recipe, samples: ActivationSamples, signal?: AbortSignal,
): Promise<{ store: WeightStore; samples: ActivationSamples }> {
  let result = { store, samples };
  for (const transform of recipe.transforms) {
    if (transform.kind !== 'smooth' && transform.kind !== 'smoothKeys') continue;
    const smoothed = transform.kind === 'smooth'
      ? await smooth(result.store, transform, result.samples, siteRounding(recipe), signal)
      : smoothKeys(store.config, transform, result.samples);
    result = { store: foldStore(result.store, smoothed.folds), samples: smoothed.samples };
  }
  return result;
}
