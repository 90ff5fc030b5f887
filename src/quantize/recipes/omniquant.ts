import type { Recipe } from '../recipe.ts';
import { OUTPUT } from './output.ts';

/** Equivalent transforms and clips chosen for the error of outputs. The paper learns both by gradient; here a search without gradients finds powers of smoothing and ratios of clips. */
export const omniquant: Recipe = {
  name: 'omniquant',
  description: '4-bit weights per row, 4-bit asymmetric activations per token, searched smoothing and clips',
  paper: 'OmniQuant: Omnidirectionally Calibrated Quantization for Large Language Models, ICLR 2024',
  transforms: [
    { kind: 'smooth', sites: ['attn.qkv', 'mlp.gate_up', 'attn.o'], rule: { by: 'search', steps: 20 } },
    { kind: 'smoothKeys', power: 0.5 },
  ],
  split: [],
  rounding: 'nearest',
  clip: { by: 'output', steps: 40 },
  weight: { bits: 4, block: 'row', scale: 'bf16', zero: 'min' },
  act: { bits: 4, block: 'row', clip: 1, zero: 'min' },
  kv: { bits: 4, per: 'token', rope: 'after' },
  sites: [OUTPUT],
};
