import { unsupported, type JsonObject } from './json.ts';

/** How a byte-level vocabulary's text is cut before merging, by GGUF's `tokenizer.ggml.pre`. */
export interface PreTokenizer {
  readonly preTokenizer: JsonObject;
  /** A word that is a token as a whole is not merged. */
  readonly wholeWords: boolean;
  /** Where the file does not say whether `bos` goes first. */
  readonly addBos: boolean;
  readonly normalizer: JsonObject | null;
}

const byteLevel = (useRegex: boolean): JsonObject => ({ type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: useRegex });
const sequence = (...pretokenizers: JsonObject[]): JsonObject => ({ type: 'Sequence', pretokenizers });
const split = (regex: string): JsonObject =>
  sequence({ type: 'Split', pattern: { Regex: regex }, behavior: 'Isolated', invert: false }, byteLevel(false));
const row = (preTokenizer: JsonObject, rest: Partial<PreTokenizer> = {}): PreTokenizer =>
  ({ preTokenizer, wholeWords: false, addBos: false, normalizer: null, ...rest });

const GPT2 = row(byteLevel(true));
const DIGITS = row(sequence({ type: 'Digits', individual_digits: true }, byteLevel(true)));
const LLAMA3 = row(
  split("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"),
  { wholeWords: true, addBos: true },
);
const QWEN2 = row(
  split("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"),
  { normalizer: { type: 'NFC' } },
);
const TEKKEN = row(
  split(
    '[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+'
    + '|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*'
    + '|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+',
  ),
  { wholeWords: true, addBos: true },
);

/** Patterns: the published tokenizer.json of each family; names: llama.cpp (`src/llama-vocab.cpp`). */
const ROWS: Readonly<Record<string, PreTokenizer>> = {
  'default': GPT2, 'gpt-2': GPT2,
  'smollm': DIGITS, 'starcoder': DIGITS, 'refact': DIGITS,
  'llama-bpe': LLAMA3, 'llama3': LLAMA3, 'llama-v3': LLAMA3,
  'qwen2': QWEN2,
  'tekken': TEKKEN,
};

/** Throws `unsupported_model` for a name that is not in the table. */
export function ggufPreTokenizer(name: string): PreTokenizer {
  if (!Object.hasOwn(ROWS, name)) throw unsupported(`pre-tokenizer ${JSON.stringify(name)}, supported are ${Object.keys(ROWS).join(', ')}`);
  return ROWS[name]!;
}
