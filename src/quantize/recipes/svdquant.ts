import type { Recipe } from '../recipe.ts';
import { OUTPUT } from './output.ts';

/** The directions of largest weight go through a low-rank branch of f16, the rest is 4 bits on both sides. */
export const svdquant: Recipe = {
  name: 'svdquant',
  description: '4-bit weights and activations in groups of 64, a branch of rank 32, searched smoothing',
  paper: 'SVDQuant: Absorbing Outliers by Low-Rank Components for 4-Bit Diffusion Models, ICLR 2025',
  transforms: [{ kind: 'smooth', sites: ['attn.qkv', 'mlp.gate_up', 'mlp.down', 'attn.o'], rule: { by: 'search', steps: 20 } }],
  split: [{ kind: 'lowRank', rank: 32, iterations: 20 }],
  rounding: 'nearest',
  clip: { by: 'range', ratio: 1 },
  weight: { bits: 4, block: 64, scale: 'f16', zero: 'mid' },
  act: { bits: 4, block: 64, clip: 1 },
  kv: { bits: 32 },
  sites: [OUTPUT],
};
