import type { Recipe } from '../recipe.ts';
import { OUTPUT } from './output.ts';

/** Channels of one range side by side, static ranges. The paper makes clusters of any size; here an order by clusters is cut into blocks of 32. Inputs behind norms keep 8 bits, as in its code. */
export const rptq: Recipe = {
  name: 'rptq',
  description: '4-bit weights, static 4-bit activations and cache by clusters of channels, 8 bits behind norms',
  paper: 'RPTQ: Reorder-based Post-training Quantization for Large Language Models, 2023',
  transforms: [{ kind: 'reorder', by: 'ranges' }],
  split: [],
  rounding: { kind: 'gptq', damping: 0.01, order: 'given', groups: 'static', inputs: 'quantised', attention: false, sweeps: 0, skip: 0, correction: 0 },
  clip: { by: 'range', ratio: 1 },
  weight: { bits: 4, block: 32, scale: 'f16', zero: 'min' },
  act: { bits: 4, block: 32, clip: 1, zero: 'min', range: 'static' },
  kv: { bits: 4, per: 'static', rope: 'after' },
  sites: [
    { match: { site: 'attn.qkv' }, act: { bits: 8, block: 32, clip: 1, zero: 'min', range: 'static' } },
    { match: { site: 'mlp.gate_up' }, act: { bits: 8, block: 32, clip: 1, zero: 'min', range: 'static' } },
    OUTPUT,
  ],
};
