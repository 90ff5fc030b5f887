import { TetradError } from '../core/errors.ts';
import type { ModelConfig } from '../models/config.ts';

/** Largest values that an importer believes; far above every model of the supported architectures. */
export const LIMITS = { layers: 1024, heads: 1024, headDim: 1024, width: 2 ** 20, vocab: 2 ** 22, context: 2 ** 31 - 1 } as const;

/** `config`, if its heads can be computed: whole groups of query heads, head sizes that fill vectors. */
export function checkedConfig(config: ModelConfig): ModelConfig {
  const { heads, kvHeads, headDim } = config;
  if (headDim % 8) throw new TetradError('unsupported_model', `Cannot import the model: its heads have ${headDim} channels, needed a multiple of 8`);
  if (heads % kvHeads) {
    throw new TetradError('unsupported_model', `Cannot import the model: ${heads} heads over ${kvHeads} key-value heads, needed a whole number for each`);
  }
  return config;
}
