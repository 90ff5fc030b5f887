import type { Recipe } from '../recipe.ts';
import { OUTPUT } from './output.ts';

/** Hidden states, heads and the inputs of attn.o and mlp.down multiplied by Hadamard matrices; then 4 bits per row and token everywhere. */
export const quarot: Recipe = {
  name: 'quarot',
  description: '4-bit weights per row, 4-bit activations per token, 4-bit cache, all rotated',
  paper: 'QuaRot: Outlier-Free 4-Bit Inference in Rotated LLMs, NeurIPS 2024',
  transforms: [{ kind: 'rotate', residual: true, heads: true, online: ['attn.o', 'mlp.down'] }],
  split: [],
  rounding: { kind: 'gptq', damping: 0.01, order: 'energy', groups: 'static', inputs: 'quantised', attention: false, sweeps: 0, skip: 0, correction: 0 },
  clip: { by: 'error', power: 2.4, steps: 80 },
  weight: { bits: 4, block: 'row', scale: 'bf16', zero: 'mid' },
  act: { bits: 4, block: 'row', clip: 0.9 },
  kv: { bits: 4, per: 'token', rope: 'after', rotate: true },
  sites: [OUTPUT],
};
