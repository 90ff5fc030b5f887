import * as v from 'valibot';
import type { CutMerges, TokenizerData } from '../core/tokenizer-data.ts';
import { CONFIG_LIMITS } from '../models/config.ts';
import { isObject } from '../tokenizer/json.ts';
import { cutMerges, MAX_CUTS } from '../tokenizer/cuts.ts';
import { invalid } from './invalid.ts';

const id = v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(CONFIG_LIMITS.vocab));

/** A list of texts and nulls. A schema of its elements would make two objects for each. */
const tokenList = v.rawTransform<unknown, readonly (string | null)[]>(({ dataset: { value }, addIssue, NEVER }) => {
  const needed = (message: string): never => {
    addIssue({ message });
    return NEVER;
  };
  if (!Array.isArray(value)) return needed('needed is a list of strings and nulls');
  if (value.length > CONFIG_LIMITS.vocab) return needed(`it has ${value.length}, needed are at most ${CONFIG_LIMITS.vocab}`);
  const wrong = value.findIndex((token) => token !== null && typeof token !== 'string');
  return wrong < 0 ? value : needed(`number ${wrong} is ${JSON.stringify(value[wrong])?.slice(0, 60)}, needed is a string or null`);
});

export const packedTokenizer = v.strictObject({
  tokenizer: v.record(v.string(), v.unknown()),
  tokens: v.exactOptional(v.pipe(v.unknown(), tokenList)),
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

/** For `model.json`: the vocabulary and the merges in compact form, a third of the size as JSON; what does not have such a form stays where it was. */
export function packTokenizer(data: TokenizerData): TokenizerData {
  if (data.tokens) return data;
  const { model } = data.tokenizer;
  if (!isObject(model) || !isObject(model.vocab)) return data;
  const tokens = tokensById(model.vocab);
  if (!tokens) return data;
  const merges = cutMerges(model.merges, tokens);
  const moved = movedKeys(merges);
  const rest = Object.fromEntries(Object.entries(model).filter(([key]) => !moved.includes(key)));
  return { ...data, tokenizer: { ...data.tokenizer, model: rest }, tokens, ...(merges && { merges }) };
}

/** Throws `invalid_file` where the parts do not go together. Whether merges and vocabulary do is seen when a `Tokenizer` is made. */
export function checkTokenizer({ tokens, merges, tokenizer: { model } }: TokenizerData, file: string): void {
  if (!tokens && merges) throw invalid(file, 'tokenizer.merges is there and tokenizer.tokens is missing');
  if (!tokens) return;
  if (!isObject(model)) throw invalid(file, 'tokenizer.tokenizer.model is not an object, needed is one for tokenizer.tokens');
  const twice = movedKeys(merges).find((key) => Object.hasOwn(model, key));
  if (twice) throw invalid(file, `tokenizer.tokenizer.model.${twice} is there and in packed form too`);
}
