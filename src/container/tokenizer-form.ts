import * as v from 'valibot';
import type { CutMerges, PackedTexts, TokenizerData } from '../core/tokenizer-data.ts';
import { CONFIG_LIMITS } from '../models/config.ts';
import { isObject } from '../tokenizer/json.ts';
import { cutMerges, MAX_CUTS } from '../tokenizer/cuts.ts';
import { LONGEST_TEXT, Texts } from '../tokenizer/texts.ts';
import { invalid } from './invalid.ts';

const id = v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(CONFIG_LIMITS.vocab));

const packedTexts = v.strictObject({ text: v.string(), lengths: v.pipe(v.string(), v.maxLength(CONFIG_LIMITS.vocab)) });

/** Versions 1 and 2: a list of texts and nulls. A schema of its elements would make two objects for each. */
const tokenList = v.pipe(v.custom<unknown[]>(Array.isArray), v.rawTransform<unknown[], PackedTexts>(({ dataset: { value }, addIssue, NEVER }) => {
  const needed = (message: string): never => {
    addIssue({ message });
    return NEVER;
  };
  if (value.length > CONFIG_LIMITS.vocab) return needed(`it has ${value.length}, needed are at most ${CONFIG_LIMITS.vocab}`);
  const wrong = value.findIndex((token) => token !== null && typeof token !== 'string');
  if (wrong >= 0) return needed(`number ${wrong} is ${JSON.stringify(value[wrong])?.slice(0, 60)}, needed is a string or null`);
  const texts = value as (string | null)[];
  const long = texts.findIndex((token) => (token?.length ?? 0) > LONGEST_TEXT);
  return Texts.of(texts).pack() ?? needed(`number ${long} has ${texts[long]?.length} characters, needed are at most ${LONGEST_TEXT}`);
}));

export const packedTokenizer = v.strictObject({
  tokenizer: v.record(v.string(), v.unknown()),
  tokens: v.exactOptional(v.lazy<v.GenericSchema<unknown, PackedTexts>>((value) => (Array.isArray(value) ? tokenList : packedTexts))),
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
  const packed = Texts.of(tokens).pack();
  if (!packed) return data;
  const merges = cutMerges(model.merges, tokens);
  const moved = movedKeys(merges);
  const rest = Object.fromEntries(Object.entries(model).filter(([key]) => !moved.includes(key)));
  return { ...data, tokenizer: { ...data.tokenizer, model: rest }, tokens: packed, ...(merges && { merges }) };
}

/** Throws `invalid_file` where the parts do not go together. Whether merges and vocabulary do is seen when a `Tokenizer` is made. */
export function checkTokenizer({ tokens, merges, tokenizer: { model } }: TokenizerData, file: string): void {
  if (!tokens && merges) throw invalid(file, 'tokenizer.merges is there and tokenizer.tokens is missing');
  if (!tokens) return;
  if (!isObject(model)) throw invalid(file, 'tokenizer.tokenizer.model is not an object, needed is one for tokenizer.tokens');
  const twice = movedKeys(merges).find((key) => Object.hasOwn(model, key));
  if (twice) throw invalid(file, `tokenizer.tokenizer.model.${twice} is there and in packed form too`);
}
