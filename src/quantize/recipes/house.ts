import type { Recipe } from '../recipe.ts';

export const SIX = { bits: 6, block: 32, scale: 'u8', zero: 'min' } as const;
export const SIX_OUTPUT = { match: { site: 'output' }, weight: SIX, rounding: 'nearest' } as const;

/**
 * Ours: the best quality found at the size and speed of `w4a8`. The search is docs/decisions/0012-house-search.md; the first and the last layer lose most by
 * 4 bits in the MLP. The output layer has the 6 bits of `w4a8`: at 8, a token would take a quarter longer.
 */
export const house: Recipe = {
  name: 'house',
  description: '4-bit weights by compensated rounding, 6 bits in the MLP of the first and the last layer and in the output layer, 8-bit activations, rotated inputs of mlp.down, 4-bit cache by channels',
  paper: null,
  transforms: [{ kind: 'rotate', residual: false, heads: false, online: ['mlp.down'] }],
  split: [],
  rounding: { kind: 'gptq', damping: 0.03, order: 'given', groups: 'updated', inputs: 'quantised', attention: true, sweeps: 1, skip: 1, correction: 0 },
  clip: { by: 'ends' },
  weight: { bits: 4, block: 32, scale: 'u8', zero: 'min' },
  act: { bits: 8, block: 64, clip: 1 },
  kv: { bits: 4, keyGroup: 32, valueGroup: 32, firstPage: 8 },
  sites: [
    { match: { site: 'mlp.gate_up', layers: [0, 0] }, weight: SIX },
    { match: { site: 'mlp.down', layers: [0, 0] }, weight: SIX },
    { match: { site: 'mlp.gate_up', layers: [-1, -1] }, weight: SIX },
    { match: { site: 'mlp.down', layers: [-1, -1] }, weight: SIX },
    SIX_OUTPUT,
  ],
};
