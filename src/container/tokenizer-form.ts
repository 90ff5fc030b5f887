import * as v from 'valibot';
import type { TokenizerData } from '../core/tokenizer-data.ts';
import { CONFIG_LIMITS } from '../models/config.ts';
import { isObject } from '../tokenizer/json.ts';
import { cutMerges, MAX_CUTS, mergesOf, type CutMerges } from './cuts.ts';
import { invalid } from './invalid.ts';

/**
 * `TokenizerData` in a container: a third of its size as JSON. `tokens` stand for `tokenizer.model.vocab`, `merges` for `tokenizer.model.merges`;
 * what does not have such a form stays where it was.
 */
export interface PackedTokenizer extends TokenizerData {
  /** By id; null: no token has it. */
  readonly tokens?: readonly (string | null)[];
  readonly merges?: CutMerges;
}

const id = v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(CONFIG_LIMITS.vocab));

/** A schema of an array would make two objects for each of its elements. */
const isTokenList = (value: unknown): boolean =>
  Array.isArray(value) && value.length <= CONFIG_LIMITS.vocab && value.every((token) => token === null || typeof token === 'string');

export const packedTokenizer = v.strictObject({
  tokenizer: v.record(v.string(), v.unknown()),
  tokens: v.exactOptional(v.custom<readonly (string | null)[]>(isTokenList, 'a list of strings and nulls')),
  merges: v.exactOptional(v.strictObject({ cuts: v.pipe(v.string(), v.maxLength(MAX_CUTS)), joined: v.boolean() })),
  bos: v.nullable(id),
  eos: v.array(id),
  addBos: v.boolean(),
  chatTemplate: v.nullable(v.string()),
});

/** Null where ids are not whole numbers of their own, at least half of them used. */
function tokensById(vocab: Readonly<Record<string, unknown>>): (string | null)[] | null {
  const texts = Object.keys(vocab);
  const tokens: (string | null)[] = [];
  const most = Math.min(texts.length * 2, CONFIG_LIMITS.vocab);
  for (const text of texts) {
    const at = vocab[text];
    if (typeof at !== 'number' || !Number.isInteger(at) || at < 0 || at >= most) return null;
    while (tokens.length <= at) tokens.push(null);
    if (tokens[at] !== null) return null;
    tokens[at] = text;
  }
  return tokens;
}

/** The keys of a tokenizer's model that the packed form holds instead. */
const movedKeys = (merges: CutMerges | null | undefined): string[] => (merges ? ['vocab', 'merges'] : ['vocab']);

/** For `model.json`; `unpackTokenizer` gives equal data. */
export function packTokenizer(data: TokenizerData): PackedTokenizer {
  const { model } = data.tokenizer;
  if (!isObject(model) || !isObject(model.vocab)) return data;
  const tokens = tokensById(model.vocab);
  if (!tokens) return data;
  const merges = cutMerges(model.merges, tokens);
  const moved = movedKeys(merges);
  const rest = Object.fromEntries(Object.entries(model).filter(([key]) => !moved.includes(key)));
  return { ...data, tokenizer: { ...data.tokenizer, model: rest }, tokens, ...(merges && { merges }) };
}

function vocabulary(tokens: readonly (string | null)[], file: string): Record<string, number> {
  const vocab = Object.create(null) as Record<string, number>; // a token may be "__proto__"
  for (const [at, token] of tokens.entries()) {
    if (token === null) continue;
    if (token in vocab) throw invalid(file, `tokenizer.tokens.${at} is ${JSON.stringify(token.slice(0, 60))} as is tokenizer.tokens.${vocab[token]}`);
    vocab[token] = at;
  }
  return vocab;
}

/** Throws `invalid_file` where the parts do not go together. Whether the merges do with the vocabulary is seen when a `Tokenizer` is made. */
export function unpackTokenizer(packed: PackedTokenizer, file: string): TokenizerData {
  const { tokens, merges, ...data } = packed;
  if (!tokens) {
    if (merges) throw invalid(file, 'tokenizer.merges is there and tokenizer.tokens is missing');
    return data;
  }
  const { model } = data.tokenizer;
  if (!isObject(model)) throw invalid(file, 'tokenizer.tokenizer.model is not an object, needed is one for tokenizer.tokens');
  const twice = movedKeys(merges).find((key) => Object.hasOwn(model, key));
  if (twice) throw invalid(file, `tokenizer.tokenizer.model.${twice} is there and in packed form too`);
  const whole = { ...model, vocab: vocabulary(tokens, file), ...(merges && { merges: mergesOf(merges, tokens, file) }) };
  return { ...data, tokenizer: { ...data.tokenizer, model: whole } };
}
