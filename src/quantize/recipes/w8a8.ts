import type { Recipe } from '../recipe.ts';

/** 8 bits for weights and activations by blocks: close to lossless. */
export const w8a8: Recipe = {
  name: 'w8a8',
  description: '8-bit weights and activations in blocks of 64',
  paper: null,
  transforms: [],
  split: [],
  rounding: 'nearest',
  weight: { bits: 8, block: 64, scale: 'f16', zero: 'mid' },
  act: { bits: 8, block: 64, clip: 1 },
  kv: { bits: 4, keyGroup: 32, valueGroup: 32, firstPage: 8 },
  sites: [],
};
