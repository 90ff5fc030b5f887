import type { Recipe } from '../recipe.ts';
import { OUTPUT } from './output.ts';

/** A few columns stay numbers; mlp.down, whose inputs vary most, has 8 bits. */
export const quik: Recipe = {
  name: 'quik',
  description: '4-bit weights per row and asymmetric activations per token, outlier columns as f16, 8 bits at mlp.down',
  paper: 'QUIK: Towards End-to-End 4-Bit Inference on Generative Large Language Models, EMNLP 2024',
  transforms: [],
  split: [{ kind: 'columns', share: 0.0625, weight: { bits: 16 }, act: { bits: 32 } }],
  rounding: { kind: 'gptq', damping: 0.01, order: 'given', groups: 'static', inputs: 'quantised', attention: false, sweeps: 0, skip: 0, correction: 0 },
  clip: { by: 'error', power: 2.4, steps: 80 },
  weight: { bits: 4, block: 'row', scale: 'bf16', zero: 'mid' },
  act: { bits: 4, block: 'row', clip: 1, zero: 'min' },
  kv: { bits: 32 },
  sites: [
    { match: { site: 'mlp.down' }, weight: { bits: 8, block: 'row', scale: 'bf16', zero: 'mid' }, act: { bits: 8, block: 'row', clip: 1, zero: 'min' } },
    OUTPUT,
  ],
};
