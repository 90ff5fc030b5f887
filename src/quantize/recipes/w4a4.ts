import type { Recipe } from '../recipe.ts';

/** 4 bits for weights and activations; the output layer reads 8. */
export const w4a4: Recipe = {
  name: 'w4a4',
  description: '4-bit weights in blocks of 32 with two-level scales, 4-bit activations in blocks of 64',
  paper: null,
  transforms: [],
  split: [],
  rounding: 'nearest',
  weight: { bits: 4, block: 32, scale: 'u8', zero: 'min' },
  act: { bits: 4, block: 64, clip: 0.9 },
  kv: { bits: 4, keyGroup: 32, valueGroup: 32, firstPage: 8 },
  sites: [{ match: { site: 'output' }, weight: { bits: 6, block: 32, scale: 'u8', zero: 'min' }, act: { bits: 8, block: 64, clip: 1 } }],
};
