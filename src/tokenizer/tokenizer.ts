import { Tokenizer as Pipeline } from '@huggingface/tokenizers';
import { TetradError } from '../core/errors.ts';
import type { TokenizerData } from '../core/tokenizer-data.ts';
import { AddedTokenSplitter, addedTokens, type AddedToken } from './added-tokens.ts';
import { Bpe } from './bpe.ts';
import { invalid, isObject, unsupported } from './json.ts';
import { portable, prefixesFirst } from './pre-tokenizer.ts';
import { tokenBytes, type TokenBytes } from './token-bytes.ts';

export interface EncodeOptions {
  /** Control tokens written in the text become their ids; otherwise they are text like any other. Default false. */
  readonly special?: boolean | undefined;
  /** Put the model's `bos` first, if it has one and the text does not begin with it. Default false. */
  readonly bos?: boolean | undefined;
}

/**
 * Text to ids and back, for a BPE `tokenizer.json` (byte-level or SentencePiece kind).
 * Normalisers and pre-tokenisers run in @huggingface/tokenizers. Merging and decoding are here: ids as the Rust library gives them, whatever
 * the vocabulary lacks, and bytes for streaming.
 */
export class Tokenizer {
  readonly data: TokenizerData;
  /** One more than the largest id. */
  readonly vocab: number;
  readonly #pipeline: Pipeline;
  readonly #bpe: Bpe;
  readonly #decoder: TokenBytes;
  readonly #added = new Map<number, AddedToken>();
  readonly #splitPlain: AddedTokenSplitter;
  readonly #splitAll: AddedTokenSplitter;
  readonly #prefixFirst: boolean;

  /** Throws `invalid_file` for malformed data and `unsupported_model` for kinds other than BPE. */
  constructor(data: TokenizerData) {
    this.data = data;
    const { model, normalizer, pre_tokenizer, decoder, added_tokens } = data.tokenizer;
    if (!isObject(model)) throw invalid('there is no model');
    if (model.type !== undefined && model.type !== 'BPE') throw unsupported(`a model of type ${String(model.type)}, supported is BPE`);
    const added = addedTokens(added_tokens);
    this.#bpe = new Bpe(model, data, new Set(added.filter((token) => token.special).map((token) => token.id)));
    for (const token of added) this.#added.set(token.id, token);
    this.vocab = added.reduce((most, { id }) => Math.max(most, id + 1), this.#bpe.texts.count);
    this.#splitPlain = new AddedTokenSplitter(added.filter((token) => !token.special));
    this.#splitAll = new AddedTokenSplitter(added);
    this.#prefixFirst = prefixesFirst(pre_tokenizer);
    this.#decoder = tokenBytes(decoder);
    this.#pipeline = pipeline(normalizer, pre_tokenizer);
  }

  /** Never adds anything but `bos`. Lone surrogates count as U+FFFD. */
  encode(text: string, options: EncodeOptions = {}): number[] {
    const ids = this.encodeParts((options.special ? this.#splitAll : this.#splitPlain).split(text));
    if (options.bos && this.data.bos !== null && ids[0] !== this.data.bos) ids.unshift(this.data.bos);
    return ids;
  }

  /** Cuts text at control tokens and the other added tokens; plain parts in between are strings. */
  split(text: string): (string | AddedToken)[] {
    return this.#splitAll.split(text);
  }

  /** Encodes parts that belong to one text. In plain parts control tokens are text. */
  encodeParts(parts: readonly (string | AddedToken)[]): number[] {
    const ids: number[] = [];
    let first = true;
    for (const part of parts) {
      if (typeof part === 'string') {
        for (const piece of this.#splitPlain.split(part)) this.#encodePiece(piece, first && ids.length === 0, ids);
      } else ids.push(part.id);
      first = false;
    }
    return ids;
  }

  #encodePiece(piece: string | AddedToken, first: boolean, ids: number[]): void {
    if (typeof piece !== 'string') {
      ids.push(piece.id);
      return;
    }
    const { normalizer, pre_tokenizer } = this.#pipeline;
    let text = normalizer === null ? piece : normalizer.normalize(piece);
    if (first && this.#prefixFirst && !text.startsWith(' ') && !text.startsWith('▁')) text = ` ${text}`;
    if (text === '') return;
    for (const word of pre_tokenizer === null ? [text] : pre_tokenizer.pre_tokenize(text)) {
      for (const id of this.#bpe.encode(word)) ids.push(id);
    }
  }

  /** The text of ids, control tokens included; bytes that are not UTF-8 become U+FFFD as in `TextDecoder`. Ids without a token are skipped. */
  decode(ids: Iterable<number>): string {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    let text = '';
    for (const id of ids) text += decoder.decode(this.bytesOf(id), { stream: true });
    text += decoder.decode();
    let strip = 0;
    while (strip < this.#decoder.stripStart && text[strip] === ' ') strip++;
    return text.slice(strip);
  }

  /** What a token adds to a text, which may be a part of a UTF-8 sequence. Empty for an id without a token. */
  bytesOf(id: number): Uint8Array {
    const text = this.textOf(id);
    if (text === undefined) return new Uint8Array(0);
    return this.#added.has(id) ? new TextEncoder().encode(text) : this.#decoder.bytes(text);
  }

  /** The token as the vocabulary writes it. */
  textOf(id: number): string | undefined {
    return this.#added.get(id)?.content ?? this.#bpe.texts.get(id) ?? undefined;
  }

  /** All control tokens as text. */
  specialTexts(): string[] {
    return [...this.#added.values()].filter((token) => token.special).map((token) => token.content);
  }

  /** A control token, such as the end of a turn. */
  isSpecial(id: number): boolean {
    return this.#added.get(id)?.special === true;
  }
}

/** Normaliser and pre-tokeniser alone: the model is left empty. */
function pipeline(normalizer: unknown, preTokenizer: unknown): Pipeline {
  const config = {
    normalizer: isObject(normalizer) ? normalizer : null, pre_tokenizer: portable(preTokenizer),
    model: { type: 'BPE', vocab: {}, merges: [] }, post_processor: null, decoder: null, added_tokens: [],
  };
  try {
    return new Pipeline(config, {});
  } catch (cause) {
    if (TetradError.is(cause)) throw cause;
    throw unsupported(cause instanceof Error ? cause.message : String(cause));
  }
}
