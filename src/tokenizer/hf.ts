import type { TokenizerData } from '../core/tokenizer-data.ts';
import { END_TOKENS } from './gguf-vocab.ts';
import { isObject, type JsonObject } from './json.ts';

/** The JSON files of a Hugging Face directory, parsed; `chatTemplate` is the text of `chat_template.jinja`. */
export interface HfTokenizerFiles {
  readonly tokenizer: JsonObject;
  readonly tokenizerConfig: JsonObject | null;
  readonly generationConfig: JsonObject | null;
  readonly chatTemplate: string | null;
}

const records = (value: unknown): JsonObject[] => (Array.isArray(value) ? value.filter(isObject) : []);
const isId = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 0;

/** The id of a special token, given as text or as an `AddedToken` object. */
function tokenId(tokenizer: JsonObject, token: unknown): number | null {
  const content = isObject(token) ? token['content'] : token;
  if (typeof content !== 'string') return null;
  const added = records(tokenizer['added_tokens']).find((entry) => entry['content'] === content);
  if (isId(added?.['id'])) return added['id'];
  const model = tokenizer['model'];
  const vocab = isObject(model) ? model['vocab'] : null;
  const id = isObject(vocab) && Object.hasOwn(vocab, content) ? vocab[content] : null;
  return isId(id) ? id : null;
}

/** Whether the post-processor puts a special token before a single text, as Llama 3's does. */
function prependsSpecial(processor: unknown): boolean {
  if (!isObject(processor)) return false;
  return records(processor['processors']).some(prependsSpecial) || isObject(records(processor['single'])[0]?.['SpecialToken']);
}

/** `chat_template` of `tokenizer_config.json`: Jinja source, or a list of named templates of which `default` is the one for chats. */
function configuredTemplate(value: unknown): string | null {
  if (typeof value === 'string') return value;
  const template = records(value).find((entry) => entry['name'] === 'default')?.['template'];
  return typeof template === 'string' ? template : null;
}

/**
 * What a Hugging Face directory says about text. Ends are those it names and the special tokens that end a turn in a GGUF file too,
 * so that one model stops alike from either. A template file wins over `tokenizer_config.json`, as in transformers.
 */
export function tokenizerFromHf({ tokenizer, tokenizerConfig, generationConfig, chatTemplate }: HfTokenizerFiles): TokenizerData {
  const config = tokenizerConfig ?? {};
  const generation = generationConfig ?? {};
  const bosId = generation['bos_token_id'];
  const bos = tokenId(tokenizer, config['bos_token']) ?? (isId(bosId) ? bosId : null);
  const ends = records(tokenizer['added_tokens']).filter((token) => token['special'] === true && END_TOKENS.has(String(token['content'])));
  const eos = new Set([tokenId(tokenizer, config['eos_token']), generation['eos_token_id'], ends.map((token) => token['id'])].flat().filter(isId));
  const addBos = typeof config['add_bos_token'] === 'boolean' ? config['add_bos_token'] : prependsSpecial(tokenizer['post_processor']);
  return { tokenizer, bos, eos: [...eos], addBos: addBos && bos !== null, chatTemplate: chatTemplate ?? configuredTemplate(config['chat_template']) };
}
