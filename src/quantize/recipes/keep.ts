import type { Recipe } from '../recipe.ts';

/** Takes the grid of a Q4_0, Q4_1 or Q8_0 source over: the weights keep the source's values bit for bit. */
export const keep: Recipe = {
  name: 'keep',
  description: "the source's own 4-bit or 8-bit weights without loss, 8-bit activations in blocks of 64",
  paper: null,
  transforms: [],
  split: [],
  rounding: 'source',
  weight: { bits: 'source' },
  act: { bits: 8, block: 64, clip: 1 },
  kv: { bits: 4, keyGroup: 32, valueGroup: 32, firstPage: 8 },
  sites: [],
};
