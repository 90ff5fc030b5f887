import type { Recipe } from '../recipe.ts';
import { OUTPUT } from './output.ts';

/** Rotation, smoothed keys and progressive groups: 4-bit codes with integer scales on a row's 8-bit grid. */
export const qoq: Recipe = {
  name: 'qoq',
  description: '4-bit weights with integer scales in groups of 64, 8-bit activations per token, 4-bit cache',
  paper: 'QServe: W4A8KV4 Quantization and System Co-design for Efficient LLM Serving, MLSys 2025',
  transforms: [
    { kind: 'rotate', residual: true, heads: true, online: [] },
    { kind: 'smooth', sites: ['mlp.down'], rule: { by: 'power', activations: 0.3, weights: 0.7 } },
    { kind: 'smoothKeys', power: 0.5 },
    { kind: 'reorder', by: 'absmax', sites: ['attn.o', 'mlp.down'] },
  ],
  split: [],
  rounding: { kind: 'gptq', damping: 0.01, order: 'given', groups: 'updated', inputs: 'quantised', attention: false, sweeps: 0, skip: 0, correction: 0 },
  clip: { by: 'range', ratio: 1 },
  weight: { bits: 4, block: 64, scale: 'u8', zero: 'int' },
  act: { bits: 8, block: 'row', clip: 1 },
  kv: { bits: 4, per: 'token', rope: 'after' },
  sites: [OUTPUT],
};
