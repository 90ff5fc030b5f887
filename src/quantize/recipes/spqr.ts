import type { Recipe } from '../recipe.ts';
import { OUTPUT } from './output.ts';

/** Small groups whose scales are quantised themselves, and the weights that would lose most as f16 beside them. */
export const spqr: Recipe = {
  name: 'spqr',
  description: '4-bit weights in groups of 16 with 3-bit scales, 1 % of the weights as f16; f32 activations and cache',
  paper: 'SpQR: A Sparse-Quantized Representation for Near-Lossless LLM Weight Compression, ICLR 2024',
  transforms: [],
  split: [{ kind: 'sparse', share: 0.01 }],
  rounding: { kind: 'gptq', damping: 1, order: 'energy', groups: 'static', inputs: 'quantised', attention: false, sweeps: 0, skip: 0, correction: 0 },
  clip: { by: 'range', ratio: 1 },
  weight: { bits: 4, block: 16, scale: 'u3', zero: 'u3' },
  act: { bits: 32 },
  kv: { bits: 32 },
  sites: [OUTPUT],
};
