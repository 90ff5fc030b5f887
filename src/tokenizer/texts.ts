import type { PackedTexts } from '../core/tokenizer-data.ts';
import { invalid } from './json.ts';

const NONE = '-';
const BASE = '0'.charCodeAt(0);
/** The longest text that `lengths` can tell of. */
export const LONGEST_TEXT = 0xffff - BASE;

/** Texts by id in one string. As strings of their own the 49,152 of SmolLM2 take several times as much memory in V8, and reading them makes its young generation grow. */
export class Texts {
  readonly text: string;
  readonly #ends: Int32Array; // [count] where a text ends; the next one begins there
  readonly #none: Uint8Array; // [count] 1: no text

  private constructor(text: string, lengths: { readonly length: number; readonly at: (id: number) => number }) {
    this.text = text;
    this.#ends = new Int32Array(lengths.length);
    this.#none = new Uint8Array(lengths.length);
    let end = 0;
    for (let id = 0; id < lengths.length; id++) {
      const length = lengths.at(id);
      if (length < 0) this.#none[id] = 1;
      else end += length;
      this.#ends[id] = end;
    }
  }

  /** Null: no token has the id. */
  static of(list: readonly (string | null)[]): Texts {
    return new Texts(list.join(''), { length: list.length, at: (id) => list[id]?.length ?? -1 });
  }

  /** Throws `invalid_file` where the two parts do not go together. */
  static unpack({ text, lengths }: PackedTexts): Texts {
    const length = (id: number): number => (lengths[id] === NONE ? -1 : lengths.charCodeAt(id) - BASE);
    let sum = 0;
    for (let id = 0; id < lengths.length; id++) {
      if (length(id) < 0 && lengths[id] !== NONE) throw invalid(`tokens.lengths has ${JSON.stringify(lengths[id])} for token ${id}, needed is ${NONE} or a length`);
      sum += Math.max(length(id), 0);
    }
    if (sum !== text.length) throw invalid(`tokens.lengths add up to ${sum}, tokens.text has ${text.length} characters`);
    return new Texts(text, { length: lengths.length, at: length });
  }

  /** Null where a text is too long for this form. */
  pack(): PackedTexts | null {
    const lengths = new Array<string>(this.count);
    for (let id = 0; id < this.count; id++) {
      const length = this.to(id) - this.from(id);
      if (length > LONGEST_TEXT) return null;
      lengths[id] = this.has(id) ? String.fromCharCode(BASE + length) : NONE;
    }
    return { text: this.text, lengths: lengths.join('') };
  }

  get count(): number {
    return this.#ends.length;
  }

  has(id: number): boolean {
    return this.#none[id] === 0;
  }

  /** Null where the id has none. */
  get(id: number): string | null {
    return this.has(id) ? this.text.slice(this.from(id), this.to(id)) : null;
  }

  /** Where the text of an id begins in `text`, in UTF-16 units. */
  from(id: number): number {
    return id === 0 ? 0 : this.#ends[id - 1]!;
  }

  to(id: number): number {
    return this.#ends[id]!;
  }

  /** Whether the text of an id is what stands in `text` from one UTF-16 unit up to another. */
  is(id: number, text: string, from: number, to: number): boolean {
    const start = this.from(id);
    if (this.to(id) - start !== to - from) return false;
    for (let at = from; at < to; at++) if (this.text.charCodeAt(start + at - from) !== text.charCodeAt(at)) return false;
    return true;
  }
}
