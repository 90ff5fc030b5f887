import type { Recipe } from '../recipe.ts';
import { OUTPUT } from './output.ts';

/** The same with one scale per row and clips searched for the error of outputs. */
export const qoqChannel: Recipe = {
  name: 'qoq-channel',
  description: '4-bit weights per row, 8-bit activations per token, 4-bit cache',
  paper: 'QServe: W4A8KV4 Quantization and System Co-design for Efficient LLM Serving, MLSys 2025',
  transforms: [
    { kind: 'rotate', residual: true, heads: true, online: [] },
    { kind: 'smooth', sites: ['mlp.down'], rule: { by: 'power', activations: 0.3, weights: 0.7 } },
    { kind: 'smoothKeys', power: 0.5 },
    { kind: 'reorder', by: 'absmax', sites: ['attn.o', 'mlp.down'] },
  ],
  split: [],
  rounding: { kind: 'gptq', damping: 0.01, order: 'energy', groups: 'static', inputs: 'quantised', attention: false, sweeps: 0, skip: 0, correction: 0 },
  clip: { by: 'output', steps: 40 },
  weight: { bits: 4, block: 'row', scale: 'bf16', zero: 'min' },
  act: { bits: 8, block: 'row', clip: 1 },
  kv: { bits: 4, per: 'token', rope: 'after' },
  sites: [OUTPUT],
};
