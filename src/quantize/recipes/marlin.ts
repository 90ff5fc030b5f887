import type { Recipe } from '../recipe.ts';
import { OUTPUT } from './output.ts';

/** Weights alone, in the order in which the kernel reads them: dequantised next to the product, f32 activations. */
export const marlin: Recipe = {
  name: 'marlin',
  description: '4-bit symmetric weights in groups of 64 by compensated rounding with searched clips; f32 activations and cache',
  paper: 'MARLIN: Mixed-Precision Auto-Regressive Parallel Inference on Large Language Models, PPoPP 2025',
  transforms: [],
  split: [],
  rounding: { kind: 'gptq', damping: 0.01, order: 'energy', groups: 'static', inputs: 'quantised', attention: false, sweeps: 0, skip: 0, correction: 0 },
  clip: { by: 'output', steps: 40 },
  weight: { bits: 4, block: 64, scale: 'f16', zero: 'mid' },
  act: { bits: 32 },
  kv: { bits: 32 },
  sites: [OUTPUT],
};
