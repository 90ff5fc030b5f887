import type { Recipe } from '../recipe.ts';

/** The best quality found at the size and speed of w4a8: docs/decisions has the search. */
export const house: Recipe = {
  name: 'house',
  description: '4-bit weights by compensated rounding, 8-bit activations, 4-bit cache by channels',
  paper: null,
  transforms: [],
  split: [],
  rounding: { kind: 'gptq', damping: 0.03, order: 'energy', groups: 'static', inputs: 'quantised', attention: true, sweeps: 2, skip: 1, correction: 0.25 },
  weight: { bits: 4, block: 32, scale: 'u8', zero: 'min' },
  act: { bits: 8, block: 64, clip: 1 },
  kv: { bits: 4, keyGroup: 32, valueGroup: 32, firstPage: 8 },
  sites: [{ match: { site: 'output' }, weight: { bits: 8, block: 32, scale: 'u8', zero: 'min' }, act: { bits: 8, block: 32, clip: 1 }, rounding: 'nearest', clip: { by: 'leastSquares' } }],
};
