import type { Recipe } from '../recipe.ts';

/** 4-bit weights everywhere; channels are reordered so that the activations that 4 bits serve worst share a few 8-bit blocks. */
export const w4ax: Recipe = {
  name: 'w4ax',
  description: '4-bit weights; a quarter of the activation blocks at 8 bits, the rest at 4, after a permutation of channels',
  paper: 'COMET: Towards Practical W4A4KV4 LLMs Serving, ASPLOS 2025',
  transforms: [{ kind: 'reorder', by: 'energy' }],
  split: [{ kind: 'blocks', share: 0.25, act: { bits: 8, clip: 1 } }],
  rounding: 'nearest',
  weight: { bits: 4, block: 32, scale: 'u8', zero: 'min' },
  act: { bits: 4, block: 64, clip: 0.9 },
  kv: { bits: 4, keyGroup: 32, valueGroup: 32, firstPage: 8 },
  sites: [{ match: { site: 'output' }, weight: { bits: 6, block: 32, scale: 'u8', zero: 'min' }, act: { bits: 8, block: 64, clip: 1 } }],
};
