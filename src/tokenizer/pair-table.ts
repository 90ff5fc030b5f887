/** Merge rules by pair of token ids: an open-addressing hash table, a fifth of a `Map`'s memory and time for a vocabulary's worth of merges. */
export class PairTable {
  readonly #mask: number;
  readonly #slots: Int32Array; // [power of two] rule + 1; 0: empty
  readonly #left: Int32Array; // [rules]
  readonly #right: Int32Array; // [rules]
  readonly #result: Int32Array; // [rules]

  constructor(rules: number) {
    let size = 16;
    while (size < rules * 2) size *= 2;
    this.#mask = size - 1;
    this.#slots = new Int32Array(size);
    this.#left = new Int32Array(rules);
    this.#right = new Int32Array(rules);
    this.#result = new Int32Array(rules);
  }

  /** Of several rules for a pair the last one counts. */
  set(rank: number, left: number, right: number, result: number): void {
    this.#left[rank] = left;
    this.#right[rank] = right;
    this.#result[rank] = result;
    this.#slots[this.#find(left, right)] = rank + 1;
  }

  /** The rule's rank, lower is earlier; -1: no rule. */
  rank(left: number, right: number): number {
    return this.#slots[this.#find(left, right)]! - 1;
  }

  result(rank: number): number {
    return this.#result[rank]!;
  }

  #find(left: number, right: number): number {
    let hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
    let slot = (hash ^= hash >>> 15) & this.#mask;
    for (let rule = this.#slots[slot]!; rule !== 0; rule = this.#slots[slot]!) {
      if (this.#left[rule - 1] === left && this.#right[rule - 1] === right) break;
      slot = (slot + 1) & this.#mask;
    }
    return slot;
  }
}
