import type { Recipe } from '../recipe.ts';
import { OUTPUT } from './output.ts';

/** Channels sorted by energy; the largest in 8 bits on both sides, all others in 4. Its clip of 0.85 counts in fifteenths of twice the range: 0.793 of ours, in sevenths of one. */
export const atom: Recipe = {
  name: 'atom',
  description: '4-bit weights and activations in groups of 64, 32 outlier channels of 8 bits, 4-bit cache before RoPE',
  paper: 'Atom: Low-bit Quantization for Efficient and Accurate LLM Serving, MLSys 2024',
  transforms: [{ kind: 'reorder', by: 'energy' }],
  split: [{ kind: 'columns', share: 0.05, weight: { bits: 8, block: 'row', scale: 'bf16', zero: 'mid' }, act: { bits: 8, block: 'row', clip: 1 } }],
  rounding: { kind: 'gptq', damping: 0.01, order: 'given', groups: 'updated', inputs: 'quantised', attention: false, sweeps: 0, skip: 0, correction: 0 },
  clip: { by: 'range', ratio: 0.793 },
  weight: { bits: 4, block: 64, scale: 'f16', zero: 'mid' },
  act: { bits: 4, block: 64, clip: 0.9 },
  kv: { bits: 4, per: 'token', rope: 'before' },
  sites: [OUTPUT],
};
