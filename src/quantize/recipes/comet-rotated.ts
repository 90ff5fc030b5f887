import type { Recipe } from '../recipe.ts';
import { OUTPUT } from './output.ts';

/** The same after rotations, which the paper does not use: what is left of outliers costs half. */
export const cometRotated: Recipe = {
  name: 'comet-rotated',
  description: '4-bit weights; a quarter of the activation blocks at 8 bits, the rest at 4, after rotations; 4-bit cache by channels',
  paper: 'COMET: Towards Practical W4A4KV4 LLMs Serving, ASPLOS 2025',
  transforms: [
    { kind: 'rotate', residual: true, heads: true, online: ['attn.o', 'mlp.down'] },
    { kind: 'reorder', by: 'energy' },
  ],
  split: [{ kind: 'blocks', share: 0.25, over: 'model', by: 'loss', act: { bits: 8, clip: 1 } }],
  rounding: { kind: 'gptq', damping: 0.03, order: 'blocks', groups: 'updated', inputs: 'quantised', attention: true, sweeps: 0, skip: 1, correction: 0, noise: true },
  clip: { by: 'ends' },
  weight: { bits: 4, block: 32, scale: 'u8', zero: 'min' },
  act: { bits: 4, block: 32, clip: 0.95, zero: 'min' },
  kv: { bits: 4, keyGroup: 32, valueGroup: 32, firstPage: 8 },
  sites: [OUTPUT],
};
