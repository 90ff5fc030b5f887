import type { Recipe } from '../recipe.ts';
import { OUTPUT } from './output.ts';

/** Weights alone, each column's rounding error made up for by the columns that follow. */
export const gptq: Recipe = {
  name: 'gptq',
  description: '4-bit weights in groups of 64 by compensated rounding; f32 activations and cache',
  paper: 'GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers, ICLR 2023',
  transforms: [],
  split: [],
  rounding: { kind: 'gptq', damping: 0.01, order: 'energy', groups: 'static', inputs: 'quantised', attention: false, sweeps: 0, skip: 0, correction: 0 },
  clip: { by: 'range', ratio: 1 },
  weight: { bits: 4, block: 64, scale: 'f16', zero: 'int' },
  act: { bits: 32 },
  kv: { bits: 32 },
  sites: [OUTPUT],
};
