import { invalid, isObject, type JsonObject } from './json.ts';

/** A token matched in the text before any merging. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** A control token: text only means it where the caller says so. */
  readonly special: boolean;
  /** Takes the white space on that side with it. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  /** Matches only between non-word characters. */
  readonly singleWord: boolean;
}

export function addedTokens(list: unknown): AddedToken[] {
  if (list === undefined || list === null) return [];
  if (!Array.isArray(list)) throw invalid('added_tokens is not a list');
  return list.map((entry: unknown, i) => {
    const token: JsonObject = isObject(entry) ? entry : {};
    const { id, content } = token;
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= 2 ** 22 || typeof content !== 'string' || content === '') {
      throw invalid(`added token ${i} needs an id and a text`);
    }
    return {
      id, content, special: token.special === true,
      lstrip: token.lstrip === true, rstrip: token.rstrip === true, singleWord: token.single_word === true,
    };
  });
}

const WORD = /[\p{L}\p{N}\p{M}_]/u;

/** Splits text at added tokens: leftmost first, of several there the longest. */
export class AddedTokenSplitter {
  readonly #byFirst = new Map<string, AddedToken[]>(); // longest first

  constructor(tokens: Iterable<AddedToken>) {
    for (const token of tokens) {
      const first = token.content[0]!;
      const group = this.#byFirst.get(first);
      if (group === undefined) this.#byFirst.set(first, [token]);
      else group.push(token);
    }
    for (const group of this.#byFirst.values()) group.sort((a, b) => b.content.length - a.content.length);
  }

  /** The text in order, cut into plain parts (never empty) and tokens. */
  split(text: string): (string | AddedToken)[] {
    const parts: (string | AddedToken)[] = [];
    let start = 0;
    for (let at = 0; at < text.length; ) {
      const token = this.#match(text, at);
      if (token === undefined) {
        at++;
        continue;
      }
      const before = text.slice(start, at);
      const plain = token.lstrip ? before.trimEnd() : before;
      if (plain !== '') parts.push(plain);
      parts.push(token);
      at += token.content.length;
      if (token.rstrip) at = text.length - text.slice(at).trimStart().length;
      start = at;
    }
    if (start < text.length) parts.push(text.slice(start));
    return parts;
  }

  #match(text: string, at: number): AddedToken | undefined {
    return this.#byFirst.get(text[at]!)?.find(
      ({ content, singleWord }) => text.startsWith(content, at) && !(singleWord && touchesWord(text, at, at + content.length)),
    );
  }
}

const touchesWord = (text: string, from: number, to: number): boolean =>
  (from > 0 && WORD.test(text[from - 1]!)) || (to < text.length && WORD.test(text[to]!));
