import type { Recipe } from '../recipe.ts';
import { OUTPUT } from './output.ts';

/** Two levels of scales, so that all sums stay integers up to the row's scale; static activations. */
export const dgq: Recipe = {
  name: 'dgq',
  description: '4-bit weights with integer scales in groups of 64, static 8-bit activations and cache',
  paper: 'Dual Grained Quantization: Efficient Fine-Grained Quantization for LLM, 2023',
  transforms: [{ kind: 'smooth', sites: ['attn.qkv', 'mlp.gate_up', 'mlp.down'], rule: { by: 'percentile', share: 0.005 } }],
  split: [],
  rounding: 'nearest',
  clip: { by: 'output', steps: 20 },
  weight: { bits: 4, block: 64, scale: 'u8', zero: 'int' },
  act: { bits: 8, block: 'row', clip: 1, range: 'static' },
  kv: { bits: 8, per: 'static', rope: 'after' },
  sites: [OUTPUT],
};
