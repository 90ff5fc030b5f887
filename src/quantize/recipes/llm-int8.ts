import type { Recipe } from '../recipe.ts';
import { OUTPUT } from './output.ts';

/** 8 bits, with values of large magnitude as f32. The paper takes whole columns of a batch out; here each value decides for itself, so that results do not depend on batches. */
export const llmInt8: Recipe = {
  name: 'llm-int8',
  description: '8-bit weights per row and activations per token, activations of magnitude 6 and more as f32',
  paper: 'LLM.int8(): 8-bit Matrix Multiplication for Transformers at Scale, NeurIPS 2022',
  transforms: [],
  split: [],
  rounding: 'nearest',
  clip: { by: 'range', ratio: 1 },
  weight: { bits: 8, block: 'row', scale: 'bf16', zero: 'mid' },
  act: { bits: 8, block: 'row', clip: 1, outliers: 6 },
  kv: { bits: 32 },
  sites: [OUTPUT],
};
