import type { Texts } from './texts.ts';

/** Ids by text: an open-addressing hash table, a third of a `Map`'s memory. It can be asked for a part of a text that nobody has cut out. */
export class TextTable {
  readonly #mask: number;
  readonly #slots: Int32Array; // [power of two] entry + 1; 0: empty
  readonly #texts: Texts; // [entries]
  readonly #ids: ArrayLike<number> | null; // [entries]

  /** `ids` null: a text's place in the list is its id. Of a text that stands twice the first place counts. */
  constructor(texts: Texts, ids: ArrayLike<number> | null) {
    let size = 16;
    while (size < texts.count * 2) size *= 2;
    this.#mask = size - 1;
    this.#slots = new Int32Array(size);
    this.#texts = texts;
    this.#ids = ids;
    for (let entry = 0; entry < texts.count; entry++) {
      if (!texts.has(entry)) continue;
      const slot = this.#find(texts.text, texts.from(entry), texts.to(entry));
      if (this.#slots[slot] === 0) this.#slots[slot] = entry + 1;
    }
  }

  /** The id of the text from UTF-16 unit `from` up to `to`. */
  get(text: string, from = 0, to = text.length): number | undefined {
    const entry = this.#slots[this.#find(text, from, to)]!;
    if (entry === 0) return undefined;
    return this.#ids === null ? entry - 1 : this.#ids[entry - 1];
  }

  #find(text: string, from: number, to: number): number {
    let hash = 0x811c9dc5;
    for (let at = from; at < to; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
    let slot = (hash ^ (hash >>> 15)) & this.#mask;
    for (let entry = this.#slots[slot]!; entry !== 0 && !this.#texts.is(entry - 1, text, from, to); entry = this.#slots[slot]!) {
      slot = (slot + 1) & this.#mask;
    }
    return slot;
  }
}
