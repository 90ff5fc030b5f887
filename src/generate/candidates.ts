import { exp, log } from '../core/math.ts';

/**
 * The tokens still in play for one choice, with their logits in f64. Filters shrink the list; all arrays are allocated once.
 * Of equal tokens lower ids come first, everywhere.
 */
export class Candidates {
  /** [vocab] by id; penalties and bias change it in place. */
  readonly logits: Float64Array;
  readonly #probabilities: Float64Array; // [vocab] by id
  readonly #distances: Float64Array; // [vocab] by id, |surprise - entropy|
  readonly #ids: Int32Array; // [vocab], the first #count in play
  #count = 0;

  constructor(vocab: number) {
    this.logits = new Float64Array(vocab);
    this.#probabilities = new Float64Array(vocab);
    this.#distances = new Float64Array(vocab);
    this.#ids = new Int32Array(vocab);
  }

  /** Starts over with all tokens. NaN counts as impossible. */
  reset(logits: ArrayLike<number>): void {
    const { logits: own } = this;
    const ids = this.#ids;
    this.#count = own.length;
    for (let id = 0; id < own.length; id++) {
      const logit = logits[id]!;
      own[id] = logit === logit ? logit : -Infinity;
      ids[id] = id;
    }
  }

  /** Ids in play. */
  get ids(): Int32Array {
    return this.#ids.subarray(0, this.#count);
  }

  /** The likeliest token. */
  best(): number {
    const { ids, logits } = this;
    let best = ids[0]!;
    for (let i = 1; i < ids.length; i++) if (logits[ids[i]!]! > logits[best]!) best = ids[i]!;
    return best;
  }

  /** Keeps the k likeliest, in a heap with the unlikeliest of them on top. */
  topK(k: number): void {
    if (k === 0 || k >= this.#count) return;
    const { ids, logits } = this;
    for (let root = (k >> 1) - 1; root >= 0; root--) this.#sink(root, k);
    let least = logits[ids[0]!]!;
    for (let i = k; i < ids.length; i++) {
      if (!(logits[ids[i]!]! > least)) continue; // an equal one has a higher id than all before it
      ids[0] = ids[i]!;
      this.#sink(0, k);
      least = logits[ids[0]!]!;
    }
    this.#keep(k);
  }

  /** Keeps those whose surprise -log p is nearest to the entropy, until their probabilities reach p. */
  typical(p: number): void {
    if (p >= 1 || this.#count < 2) return;
    this.#softmax(1);
    const distances = this.#distances;
    let entropy = 0;
    for (const id of this.ids) {
      const probability = this.#probabilities[id]!;
      distances[id] = -log(probability);
      if (probability > 0) entropy += probability * distances[id];
    }
    for (const id of this.ids) distances[id] = Math.abs(distances[id]! - entropy);
    this.ids.sort((a, b) => distances[a]! - distances[b]! || a - b); // Infinity - Infinity is NaN, and so a - b counts
    this.#keepMass(p);
  }

  /** Keeps the likeliest until their probabilities reach p. */
  topP(p: number): void {
    if (p >= 1 || this.#count < 2) return;
    this.#softmax(1);
    // Tokens below (1 - p) / count hold less than 1 - p together: the rest reaches p without them.
    const floor = (1 - p) / this.#count;
    this.#keepFrom(this.#probabilities, floor);
    this.ids.sort((a, b) => this.logits[b]! - this.logits[a]! || a - b);
    this.#keepMass(p);
  }

  /** Keeps those with at least `share` of the largest probability. */
  minP(share: number): void {
    if (share <= 0 || this.#count < 2) return;
    this.#keepFrom(this.logits, this.logits[this.best()]! + log(share));
  }

  /** Draws by softmax(logits / temperature) with u uniform in [0, 1), walking the ids upwards. */
  draw(temperature: number, u: number): number {
    this.#softmax(temperature);
    let last = this.#ids[0]!;
    let sum = 0;
    for (const id of this.ids) {
      const probability = this.#probabilities[id]!;
      if (probability === 0) continue;
      last = id;
      sum += probability;
      if (u < sum) break;
    }
    return last;
  }

  /** Id a comes before id b: likelier, or as likely and lower. */
  #before(a: number, b: number): boolean {
    return this.logits[a]! > this.logits[b]! || (this.logits[a] === this.logits[b] && a < b);
  }

  #sink(root: number, size: number): void {
    const ids = this.#ids;
    const moved = ids[root]!;
    let at = root;
    for (let child = 2 * at + 1; child < size; child = 2 * at + 1) {
      if (child + 1 < size && this.#before(ids[child]!, ids[child + 1]!)) child++;
      if (!this.#before(moved, ids[child]!)) break;
      ids[at] = ids[child]!;
      at = child;
    }
    ids[at] = moved;
  }

  /** Probabilities of the ids in play; all of them equal if none is possible. */
  #softmax(temperature: number): void {
    const { ids, logits } = this;
    const probabilities = this.#probabilities;
    const largest = logits[this.best()]!;
    let sum = 0;
    for (let i = 0; i < ids.length; i++) {
      const logit = logits[ids[i]!]!;
      const weight = logit === largest ? 1 : exp((logit - largest) / temperature);
      probabilities[ids[i]!] = weight;
      sum += weight;
    }
    for (let i = 0; i < ids.length; i++) probabilities[ids[i]!]! /= sum;
  }

  /** Keeps the first ids in the present order until their probabilities reach p. */
  #keepMass(p: number): void {
    let sum = 0;
    let kept = 0;
    while (kept < this.#count && sum < p) sum += this.#probabilities[this.#ids[kept++]!]!;
    this.#keep(kept);
  }

  #keepFrom(values: Float64Array, least: number): void {
    const { ids } = this;
    this.#count = 0;
    for (let i = 0; i < ids.length; i++) if (values[ids[i]!]! >= least) this.#ids[this.#count++] = ids[i]!;
  }

  /** Keeps the first n and puts them back in order of id. */
  #keep(n: number): void {
    this.#count = n;
    this.ids.sort();
  }
}
