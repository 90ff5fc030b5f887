import { TetradError } from '../core/errors.ts';
import { CONFIG_LIMITS as LIMITS, type ModelConfig } from '../models/config.ts';

export { LIMITS };

/** `config`, if its heads can be computed: whole groups of query heads, head sizes that fill vectors. */
export function checkedConfig(config: ModelConfig): ModelConfig {
  const { heads, kvHeads, headDim } = config;
  if (headDim % 8) throw new TetradError('unsupported_model', `Cannot import the model: its heads have ${headDim} channels, needed a multiple of 8`);
  if (heads % kvHeads) {
    throw new TetradError('unsupported_model', `Cannot import the model: ${heads} heads over ${kvHeads} key-value heads, needed a whole number for each`);
  }
  return config;
}
