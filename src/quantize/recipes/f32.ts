import type { Recipe } from '../recipe.ts';

/** No quantisation: the reference that all others are compared with. */
export const f32: Recipe = {
  name: 'f32',
  description: 'f32 weights, activations and KV cache',
  paper: null,
  transforms: [],
  split: [],
  rounding: 'nearest',
  weight: { bits: 32 },
  act: { bits: 32 },
  kv: { bits: 32 },
  sites: [],
};
