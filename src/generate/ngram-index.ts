/** Lengths of the n-grams that are looked up, longest first. */
const LENGTHS = [3, 2, 1] as const;

/**
 * Tokens of a text and, for the last 3, 2 and 1 of them, where they last stood before. A table holds one place for each hash of an n-gram, the latest;
 * places are compared with the text, so that two n-grams of one hash can hide but never replace each other.
 */
export class NgramIndex {
  /** [capacity + spare]: the text, then room for a draft of what follows. */
  readonly tokens: Int32Array;
  /** Per length, [power of two]: index of the token that followed; 0: none. */
  readonly #tables: readonly Int32Array[];
  readonly #shift: number;
  #length = 0;
  #matched = 0;

  constructor(capacity: number, spare: number) {
    this.tokens = new Int32Array(capacity + spare);
    const bits = Math.max(4, 33 - Math.clz32(capacity - 1)); // at least two places for each token
    this.#shift = 32 - bits;
    this.#tables = LENGTHS.map(() => new Int32Array(2 ** bits));
  }

  /** Tokens of the text. */
  get length(): number {
    return this.#length;
  }

  /** How many of the last tokens the place that `find` gave has in common with the end of the text. */
  get matched(): number {
    return this.#matched;
  }

  /** Forgets all. */
  clear(): void {
    this.#length = 0;
    for (const table of this.#tables) table.fill(0);
  }

  push(token: number): void {
    const at = this.#length;
    for (let i = 0; i < LENGTHS.length; i++) if (at >= LENGTHS[i]!) this.#tables[i]![this.#slot(LENGTHS[i]!)] = at;
    this.tokens[at] = token;
    this.#length = at + 1;
  }

  /** Index of the token that followed when the text's end last stood there before; 0: it never did. */
  find(): number {
    for (let i = 0; i < LENGTHS.length; i++) {
      const n = LENGTHS[i]!;
      if (this.#length <= n) continue;
      const at = this.#tables[i]![this.#slot(n)]!;
      if (at === 0 || !this.#same(at, n)) continue;
      this.#matched = n;
      return at;
    }
    this.#matched = 0;
    return 0;
  }

  /** Place of the text's last n tokens in their table (FNV-1a over words, its upper bits). */
  #slot(n: number): number {
    let hash = 2166136261;
    for (let i = this.#length - n; i < this.#length; i++) hash = Math.imul(hash ^ this.tokens[i]!, 16777619);
    return Math.imul(hash, 0x9e3779b1) >>> this.#shift;
  }

  #same(at: number, n: number): boolean {
    for (let i = 1; i <= n; i++) if (this.tokens[at - i] !== this.tokens[this.#length - i]) return false;
    return true;
  }
}
