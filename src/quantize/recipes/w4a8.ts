import type { Recipe } from '../recipe.ts';

/** The default. The output layer, which is also the embedding, gets 6 bits: at 4 it alone costs 5 % of perplexity on a 135M model. */
export const w4a8: Recipe = {
  name: 'w4a8',
  description: '4-bit weights in blocks of 32 with two-level scales, 8-bit activations in blocks of 64',
  paper: null,
  transforms: [],
  split: [],
  rounding: 'nearest',
  weight: { bits: 4, block: 32, scale: 'u8', zero: 'min' },
  act: { bits: 8, block: 64, clip: 1 },
  kv: { bits: 4, keyGroup: 32, valueGroup: 32, firstPage: 8 },
  sites: [{ match: { site: 'output' }, weight: { bits: 6, block: 32, scale: 'u8', zero: 'min' } }],
};
