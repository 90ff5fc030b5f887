import type { CutMerges, TokenizerData } from '../core/tokenizer-data.ts';
import { countMerges, eachMerge } from './cuts.ts';
import { NumberHeap } from './heap.ts';
import { invalid, isObject, unsupported, type JsonObject } from './json.ts';
import { PairTable } from './pair-table.ts';
import { TextTable } from './text-table.ts';
import { Texts } from './texts.ts';

const CACHED_WORDS = 8192;
const CACHED_LENGTH = 64;
const POSITIONS = 2 ** 31; // rank * POSITIONS + position stays below 2^53 for up to 2^22 merges

const utf8 = new TextEncoder();

/** `<0x0A>`, the piece that stands for one byte in vocabularies with byte fallback. */
export const bytePiece = (byte: number): string => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;

/**
 * Byte-pair encoding (Sennrich et al. 2016) over a `tokenizer.json` model of type BPE, with the results of the Rust library `tokenizers`:
 * characters without an id fall back to byte pieces, then to the unknown token, else vanish; rules apply by rank, then from the left.
 */
export class Bpe {
  readonly texts: Texts; // by id
  readonly #ids: TextTable;
  readonly #pairs: PairTable;
  readonly #unknown: number | undefined;
  readonly #fuseUnknown: boolean;
  readonly #byteFallback: boolean;
  readonly #wholeWords: boolean;
  readonly #cache = new Map<string, readonly number[]>();

  /** Rules that give an id of `atomic` (control tokens) are left out: merging pieces of plain text may never end in one. */
  constructor(model: JsonObject, { tokens, merges }: Pick<TokenizerData, 'tokens' | 'merges'>, atomic: ReadonlySet<number>) {
    for (const key of ['continuing_subword_prefix', 'end_of_word_suffix', 'dropout']) {
      if (model[key]) throw unsupported(`BPE with ${key} = ${JSON.stringify(model[key])}, supported is none`);
    }
    const vocabulary = tokens ? listedIds(Texts.unpack(tokens)) : namedIds(model.vocab);
    this.texts = vocabulary.texts;
    this.#ids = vocabulary.ids;
    const rules = tokens && merges ? cutRules(merges, this.texts) : listedRules(model.merges);
    this.#pairs = mergeRules(rules, this.#ids, atomic);
    this.#unknown = typeof model.unk_token === 'string' ? this.#ids.get(model.unk_token) : undefined;
    this.#fuseUnknown = model.fuse_unk === true;
    this.#byteFallback = model.byte_fallback === true;
    this.#wholeWords = model.ignore_merges === true;
  }

  /** Ids of one pre-token. */
  encode(word: string): readonly number[] {
    const cached = this.#cache.get(word);
    if (cached !== undefined) return cached;
    const whole = this.#wholeWords ? this.#ids.get(word) : undefined;
    const ids = whole === undefined ? this.#merge(this.#characters(word)) : [whole];
    if (word.length <= CACHED_LENGTH) {
      if (this.#cache.size >= CACHED_WORDS) this.#cache.clear();
      this.#cache.set(word, ids);
    }
    return ids;
  }

  #characters(word: string): number[] {
    const ids: number[] = [];
    let afterUnknown = false;
    for (const char of word) {
      const id = this.#ids.get(char);
      const bytes = id === undefined && this.#byteFallback ? this.#bytes(char) : undefined;
      if (id !== undefined) ids.push(id);
      else if (bytes !== undefined) ids.push(...bytes);
      else if (this.#unknown !== undefined && !(afterUnknown && this.#fuseUnknown)) ids.push(this.#unknown);
      afterUnknown = id === undefined && bytes === undefined;
    }
    return ids;
  }

  #bytes(char: string): number[] | undefined {
    const ids: number[] = [];
    for (const byte of utf8.encode(char)) {
      const id = this.#ids.get(bytePiece(byte));
      if (id === undefined) return undefined;
      ids.push(id);
    }
    return ids;
  }

  #merge(ids: number[]): readonly number[] {
    const count = ids.length;
    if (count < 2) return ids;
    const pairs = this.#pairs;
    const next = Int32Array.from(ids, (_, i) => i + 1); // [count] following live position; count: none
    const previous = Int32Array.from(ids, (_, i) => i - 1); // [count]
    const queue = new NumberHeap();
    const offer = (at: number): void => {
      const rank = next[at]! < count ? pairs.rank(ids[at]!, ids[next[at]!]!) : -1;
      if (rank >= 0) queue.push(rank * POSITIONS + at);
    };
    for (let i = 0; i + 1 < count; i++) offer(i);
    for (let best = queue.pop(); best !== undefined; best = queue.pop()) {
      const at = best % POSITIONS;
      const rank = (best - at) / POSITIONS;
      const right = next[at]!;
      // Stale: swallowed by its left neighbour (-1), or one of the two has changed since.
      if (ids[at] === -1 || right >= count || pairs.rank(ids[at]!, ids[right]!) !== rank) continue;
      ids[at] = pairs.result(rank);
      ids[right] = -1;
      next[at] = next[right]!;
      if (next[at]! < count) previous[next[at]!] = at;
      if (previous[at]! >= 0) offer(previous[at]!);
      offer(at);
    }
    return ids.filter((id) => id !== -1);
  }
}

interface Vocabulary {
  readonly ids: TextTable;
  readonly texts: Texts; // by id
}

function namedIds(vocab: unknown): Vocabulary {
  if (!isObject(vocab)) throw invalid('the vocabulary is not an object of token ids');
  const tokens = Object.keys(vocab);
  const texts: (string | null)[] = [];
  for (const token of tokens) {
    const id = vocab[token];
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= 2 ** 22) {
      throw invalid(`token ${JSON.stringify(token)} has the id ${String(id)}, needed is an integer from 0 to ${2 ** 22 - 1}`);
    }
    while (texts.length <= id) texts.push(null);
    texts[id] = token;
  }
  return { ids: new TextTable(Texts.of(tokens), tokens.map((token) => vocab[token] as number)), texts: Texts.of(texts) };
}

function listedIds(texts: Texts): Vocabulary {
  const ids = new TextTable(texts, null);
  for (let id = 0; id < texts.count; id++) {
    const first = texts.has(id) ? ids.get(texts.text, texts.from(id), texts.to(id)) : id;
    if (first !== id) throw invalid(`token ${id} is ${JSON.stringify(texts.get(id)?.slice(0, 60))} as is token ${first}`);
  }
  return { ids, texts };
}

/** Merges: how many, and each as where the token that it gives stands in a text and where it is cut. None is made into strings of its own, of which there would be 100,000. */
interface Rules {
  readonly count: number;
  readonly each: (visit: (text: string, from: number, cut: number, to: number) => void) => void;
}

const cutRules = (merges: CutMerges, texts: Texts): Rules =>
  ({ count: countMerges(merges), each: (visit) => eachMerge(merges, texts, (from, cut, to) => visit(texts.text, from, cut, to)) });

function listedRules(merges: unknown): Rules {
  if (!Array.isArray(merges)) throw invalid('the merges are not a list');
  const each: Rules['each'] = (visit) => {
    for (const [rank, merge] of merges.entries()) {
      const pair: unknown = typeof merge === 'string' ? merge.split(' ') : merge;
      if (!isPair(pair)) throw invalid(`merge ${rank} is not a pair of tokens`);
      const token = pair[0] + pair[1];
      visit(token, 0, pair[0].length, token.length);
    }
  };
  return { count: merges.length, each };
}

function mergeRules({ count, each }: Rules, ids: TextTable, atomic: ReadonlySet<number>): PairTable {
  if (count >= 2 ** 22) throw invalid(`${count} merges, the most is ${2 ** 22 - 1}`);
  const pairs = new PairTable(count);
  let rank = 0;
  each((text, from, cut, to) => {
    const left = ids.get(text, from, cut);
    const right = ids.get(text, cut, to);
    const result = ids.get(text, from, to);
    if (left === undefined || right === undefined || result === undefined) {
      throw invalid(`merge ${rank}, ${JSON.stringify([text.slice(from, cut), text.slice(cut, to)])}, names a token that is not in the vocabulary`);
    }
    if (!atomic.has(result)) pairs.set(rank, left, right, result);
    rank++;
  });
  return pairs;
}

const isPair = (value: unknown): value is [string, string] =>
  Array.isArray(value) && value.length === 2 && typeof value[0] === 'string' && typeof value[1] === 'string';
