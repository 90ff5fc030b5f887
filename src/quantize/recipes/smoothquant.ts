import type { Recipe } from '../recipe.ts';
import { OUTPUT } from './output.ts';

/** 8 bits everywhere after outliers of activations are moved into the weights. The paper smooths inputs behind norms; that of mlp.down is free as well. */
export const smoothquant: Recipe = {
  name: 'smoothquant',
  description: '8-bit weights per row and activations per token after smoothing',
  paper: 'SmoothQuant: Accurate and Efficient Post-Training Quantization for Large Language Models, ICML 2023',
  transforms: [{ kind: 'smooth', sites: ['attn.qkv', 'mlp.gate_up', 'mlp.down'], rule: { by: 'power', activations: 0.5, weights: 0.5 } }],
  split: [],
  rounding: 'nearest',
  clip: { by: 'range', ratio: 1 },
  weight: { bits: 8, block: 'row', scale: 'bf16', zero: 'mid' },
  act: { bits: 8, block: 'row', clip: 1 },
  kv: { bits: 32 },
  sites: [OUTPUT],
};
