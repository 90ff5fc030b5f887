import { isObject, unsupported, type JsonObject } from './json.ts';

/** GPT-2's pattern (Radford et al. 2019). */
export const GPT2_SPLIT = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

const isolate = (regex: string): JsonObject => ({ type: 'Split', pattern: { Regex: regex }, behavior: 'Isolated', invert: false });
const sequence = (...pretokenizers: unknown[]): JsonObject => ({ type: 'Sequence', pretokenizers });

/** Pre-tokenizers that @huggingface/tokenizers 0.2.0 reads otherwise than the Rust library, in terms of those that it reads alike. */
const REWRITES: Readonly<Record<string, (config: JsonObject) => unknown>> = {
  Sequence: (config) => sequence(...(Array.isArray(config.pretokenizers) ? config.pretokenizers : []).map(portable)),
  // Rust: char::is_numeric, which is \p{N}; JavaScript: [0-9].
  Digits: (config) => isolate(config.individual_digits === true ? '\\p{N}' : '\\p{N}+'),
  // Rust: \s is White_Space; JavaScript's has U+FEFF and lacks U+0085.
  ByteLevel: (config) => {
    if (config.use_regex === false) return config;
    const bytes = { ...config, use_regex: false, add_prefix_space: false };
    const prefix = { type: 'Replace', pattern: { Regex: '^(?! )' }, content: ' ' };
    return config.add_prefix_space === true ? sequence(prefix, isolate(GPT2_SPLIT), bytes) : sequence(isolate(GPT2_SPLIT), bytes);
  },
  // Rust also cuts before every replacement character, unless told not to. `first` is the caller's (`Tokenizer.encode`).
  Metaspace: (config) => {
    const metaspace = { ...config, prepend_scheme: config.prepend_scheme === 'first' ? 'never' : config.prepend_scheme };
    const mark = typeof config.replacement === 'string' ? config.replacement : '▁';
    return config.split === false ? metaspace : sequence(metaspace, isolate(`${mark}[^${mark}]*`));
  },
  // JavaScript knows the first two behaviours, and `invert` only as "keep the matches alone".
  Split: (config) => {
    const behavior = String(config.behavior);
    if (behavior === 'Removed' || (behavior === 'Isolated' && config.invert !== true)) return config;
    throw unsupported(`a Split pre-tokenizer with behavior ${behavior}${config.invert === true ? ' and invert' : ''}, supported are Isolated and Removed`);
  },
};

/** The same pre-tokenizer for @huggingface/tokenizers. */
export function portable(config: unknown): unknown {
  if (!isObject(config)) return null;
  const type = String(config.type);
  return Object.hasOwn(REWRITES, type) ? REWRITES[type]!(config) : config;
}

/** A Metaspace at the head of the pipeline puts its mark before the first part of the text, but not after an added token. */
export function prefixesFirst(config: unknown): boolean {
  if (!isObject(config)) return false;
  if (config.type === 'Sequence') return Array.isArray(config.pretokenizers) && prefixesFirst(config.pretokenizers[0]);
  return config.type === 'Metaspace' && config.prepend_scheme === 'first';
}
