import type { Recipe } from '../recipe.ts';
import { OUTPUT } from './output.ts';

/** Groups of weights and tokens of activations, nearest rounding, no calibration. */
export const zeroquant: Recipe = {
  name: 'zeroquant',
  description: '4-bit weights in groups of 64, 8-bit activations per token',
  paper: 'ZeroQuant: Efficient and Affordable Post-Training Quantization for Large-Scale Transformers, NeurIPS 2022',
  transforms: [],
  split: [],
  rounding: 'nearest',
  clip: { by: 'range', ratio: 1 },
  weight: { bits: 4, block: 64, scale: 'f16', zero: 'mid' },
  act: { bits: 8, block: 'row', clip: 1 },
  kv: { bits: 32 },
  sites: [OUTPUT],
};
