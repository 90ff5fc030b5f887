import type { TokenizerData } from '../core/tokenizer-data.ts';
import { ggufPreTokenizer } from './gguf-pre.ts';
import { invalid, unsupported, type JsonObject } from './json.ts';
import { mergesFromScores, sentencePieceDecoder, sentencePieceNormalizer } from './sentencepiece.ts';

/** GGUF key-value pairs. Arrays may be plain or typed, integers number or bigint. */
export type GgufMetadata = ReadonlyMap<string, unknown>;

/** `tokenizer.ggml.token_type` (llama.cpp, `llama_token_type`). */
const UNKNOWN = 2;
const CONTROL = 3;
const USER_DEFINED = 4;
const UNUSED = 5;
const BYTE = 6;

/** Control tokens that end a turn or a text in the chat formats of llama.cpp; files often name only one of their two as `eos`. */
export const END_TOKENS: ReadonlySet<string> = new Set([
  '<|endoftext|>', '<|end_of_text|>', '<|im_end|>', '<|eot_id|>', '<|eom_id|>', '<|end|>', '<end_of_turn>', '<EOT>',
]);
const MAX_TOKENS = 2 ** 22;

interface Vocabulary {
  readonly tokens: readonly string[];
  readonly types: ArrayLike<number> | null;
  /** Texts that merging must neither use nor give. */
  readonly atomic: ReadonlySet<string>;
}

interface Kind {
  readonly tokenizer: JsonObject;
  readonly addBos: boolean;
}

const KINDS: Readonly<Record<string, (metadata: GgufMetadata, vocabulary: Vocabulary) => Kind>> = {
  gpt2(metadata, { tokens }) {
    const pre = ggufPreTokenizer(text(metadata, 'tokenizer.ggml.pre') ?? 'default');
    const merges = strings(metadata, 'tokenizer.ggml.merges') ?? missing('tokenizer.ggml.merges');
    return {
      addBos: pre.addBos,
      tokenizer: {
        normalizer: pre.normalizer, pre_tokenizer: pre.preTokenizer,
        decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
        model: bpe(tokens, merges.map(pairOf), { ignore_merges: pre.wholeWords }),
      },
    };
  },
  llama(metadata, { tokens, types, atomic }) {
    const prefix = flag(metadata, 'tokenizer.ggml.add_space_prefix') ?? true;
    const scores = numbers(metadata, 'tokenizer.ggml.scores', tokens.length) ?? missing('tokenizer.ggml.scores');
    const unknown = tokenId(metadata, 'tokenizer.ggml.unknown_token_id', tokens.length) ?? typeIndex(types, UNKNOWN);
    return {
      addBos: true,
      tokenizer: {
        normalizer: sentencePieceNormalizer(prefix), pre_tokenizer: null, decoder: sentencePieceDecoder(prefix),
        model: bpe(tokens, mergesFromScores(tokens, scores, atomic), {
          unk_token: unknown === null ? null : tokens[unknown], fuse_unk: true, byte_fallback: true,
        }),
      },
    };
  },
};

/**
 * The tokenizer of a GGUF file's metadata: byte-level BPE (`gpt2`) or SentencePiece BPE (`llama`).
 * Throws `invalid_file` for missing or inconsistent arrays and `unsupported_model` for other kinds and unknown pre-tokenizers.
 */
export function tokenizerFromGguf(metadata: GgufMetadata): TokenizerData {
  const name = text(metadata, 'tokenizer.ggml.model') ?? missing('tokenizer.ggml.model');
  if (!Object.hasOwn(KINDS, name)) throw unsupported(`tokenizer kind ${JSON.stringify(name)}, supported are ${Object.keys(KINDS).join(', ')}`);
  const tokens = strings(metadata, 'tokenizer.ggml.tokens') ?? missing('tokenizer.ggml.tokens');
  if (tokens.length === 0 || tokens.length > MAX_TOKENS) throw invalid(`${tokens.length} tokens, needed are 1 to ${MAX_TOKENS}`);
  const types = numbers(metadata, 'tokenizer.ggml.token_type', tokens.length);
  const atomic = new Set(tokens.filter((_, id) => types !== null && [UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE].includes(types[id]!)));
  const { tokenizer, addBos } = KINDS[name]!(metadata, { tokens, types, atomic });
  const id = (key: string): number | null => tokenId(metadata, `tokenizer.ggml.${key}_token_id`, tokens.length);
  const bos = id('bos');
  const ends = [id('eos'), id('eot'), id('eom')].filter((end) => end !== null);
  tokens.forEach((token, at) => { if (types?.[at] === CONTROL && END_TOKENS.has(token)) ends.push(at); });
  return {
    tokenizer: { version: '1.0', truncation: null, padding: null, added_tokens: added(tokens, types), post_processor: null, ...tokenizer },
    bos,
    eos: [...new Set(ends)],
    addBos: bos !== null && (flag(metadata, 'tokenizer.ggml.add_bos_token') ?? addBos),
    chatTemplate: text(metadata, 'tokenizer.chat_template'),
  };
}

function added(tokens: readonly string[], types: ArrayLike<number> | null): JsonObject[] {
  return tokens.flatMap((content, id) => {
    const type = types?.[id];
    if (content === '' || (type !== CONTROL && type !== USER_DEFINED)) return [];
    return [{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: type === CONTROL }];
  });
}

function bpe(tokens: readonly string[], merges: readonly (readonly string[])[], options: JsonObject): JsonObject {
  const vocab = Object.create(null) as Record<string, number>; // a token may be "__proto__"
  tokens.forEach((token, id) => { vocab[token] = id; });
  return {
    type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null,
    fuse_unk: false, byte_fallback: false, ignore_merges: false, ...options, vocab, merges,
  };
}

function pairOf(merge: string, rank: number): string[] {
  const pair = merge.split(' ');
  if (pair.length !== 2) throw invalid(`merge ${rank} is ${JSON.stringify(merge)}, needed are two tokens with a space between`);
  return pair;
}

function missing(key: string): never {
  throw invalid(`there is no ${key}`);
}

function text(metadata: GgufMetadata, key: string): string | null {
  const value = metadata.get(key);
  if (value === undefined) return null;
  if (typeof value !== 'string') throw invalid(`${key} is not a string`);
  return value;
}

function flag(metadata: GgufMetadata, key: string): boolean | null {
  const value = metadata.get(key);
  if (value === undefined) return null;
  if (typeof value !== 'boolean') throw invalid(`${key} is not a boolean`);
  return value;
}

function strings(metadata: GgufMetadata, key: string): readonly string[] | null {
  const value = metadata.get(key);
  if (value === undefined) return null;
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) throw invalid(`${key} is not a list of strings`);
  return value;
}

function numbers(metadata: GgufMetadata, key: string, length: number): ArrayLike<number> | null {
  const value = metadata.get(key);
  if (value === undefined) return null;
  const list: unknown = ArrayBuffer.isView(value) && !(value instanceof DataView) ? Array.from(value as Float32Array) : value;
  if (!Array.isArray(list) || !list.every((item) => typeof item === 'number')) throw invalid(`${key} is not a list of numbers`);
  if (list.length !== length) throw invalid(`${key} has ${list.length} entries for ${length} tokens`);
  return list;
}

function tokenId(metadata: GgufMetadata, key: string, length: number): number | null {
  const value = metadata.get(key);
  if (value === undefined) return null;
  const id = Number(value);
  if ((typeof value !== 'number' && typeof value !== 'bigint') || !Number.isInteger(id) || id < 0 || id >= length) {
    throw invalid(`${key} is ${String(value)}, needed is a token id below ${length}`);
  }
  return id;
}

function typeIndex(types: ArrayLike<number> | null, type: number): number | null {
  for (let id = 0; id < (types?.length ?? 0); id++) if (types![id] === type) return id;
  return null;
}
