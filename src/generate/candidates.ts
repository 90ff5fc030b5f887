import { exp, log } from '../core/math.ts';
import { heapify, sink, sortByKey } from './id-heap.ts';

/**
 * The tokens still in play for one choice, with their logits in f64. Filters shrink the list; all arrays are allocated once, and the vocabulary is
 * copied only where more than its best k are needed. Of equal tokens lower ids come first, everywhere.
 */
export class Candidates {
  readonly #logits: Float64Array; // [vocab] by id
  readonly #probabilities: Float64Array; // [vocab] by id
  readonly #keys: Float64Array; // [vocab] by id, an order other than by logit
  readonly #ids: Int32Array; // [vocab], the first #count in play
  #count = 0;
  /** The logits given, while all tokens are in play and none has been copied; null after. */
  #given: ArrayLike<number> | null = null;

  constructor(vocab: number) {
    this.#logits = new Float64Array(vocab);
    this.#probabilities = new Float64Array(vocab);
    this.#keys = new Float64Array(vocab);
    this.#ids = new Int32Array(vocab);
  }

  /** Starts over with all tokens; reads `logits` until the choice is made. NaN counts as impossible. */
  reset(logits: ArrayLike<number>): void {
    this.#given = logits;
    this.#count = this.#logits.length;
  }

  /** [vocab] by id, of all tokens in play: penalties and bias change it in place. */
  get logits(): Float64Array {
    this.#copy();
    return this.#logits;
  }

  /** Ids in play, ascending. */
  get ids(): Int32Array {
    this.#copy();
    return this.#ids.subarray(0, this.#count);
  }

  /** The likeliest token. */
  best(): number {
    const given = this.#given;
    if (given === null) return this.#best();
    const count = this.#count;
    let best = 0;
    let largest = -Infinity;
    for (let id = 0; id < count; id++) {
      const logit = given[id]!;
      if (!(logit > largest)) continue;
      largest = logit;
      best = id;
    }
    return best;
  }

  /** Keeps the k likeliest of all tokens; comes before the other filters. */
  topK(k: number): void {
    if (k === 0 || k >= this.#count) return;
    const size = k | 0; // an integer kept as a double would make loops over ids three times as long
    if (this.#given === null) this.#topK(this.#logits, size);
    else this.#topK(this.#given, size);
    this.#given = null;
    this.#keep(size);
  }

  /** Keeps those whose surprise -log p is nearest to the entropy, until their probabilities reach p. */
  typical(p: number): void {
    this.#copy();
    if (p >= 1 || this.#count < 2) return;
    this.#softmax(1);
    const ids = this.#ids;
    const probabilities = this.#probabilities;
    const keys = this.#keys;
    let entropy = 0;
    for (let i = 0; i < this.#count; i++) {
      const id = ids[i]!;
      keys[id] = -log(probabilities[id]!);
      if (probabilities[id]! > 0) entropy += probabilities[id]! * keys[id]!;
    }
    for (let i = 0; i < this.#count; i++) keys[ids[i]!] = -Math.abs(keys[ids[i]!]! - entropy);
    sortByKey(ids, keys, this.#count);
    this.#keepMass(p);
  }

  /** Keeps the likeliest until their probabilities reach p. */
  topP(p: number): void {
    this.#copy();
    if (p >= 1 || this.#count < 2) return;
    this.#softmax(1);
    // Tokens below (1 - p) / count hold less than 1 - p together: the rest reaches p without them.
    const floor = (1 - p) / this.#count;
    this.#keepFrom(this.#probabilities, floor);
    sortByKey(this.#ids, this.#logits, this.#count);
    this.#keepMass(p);
  }

  /** Keeps those with at least `share` of the largest probability. */
  minP(share: number): void {
    this.#copy();
    if (share <= 0 || this.#count < 2) return;
    this.#keepFrom(this.#logits, this.#logits[this.#best()]! + log(share));
  }

  /** Draws by softmax(logits / temperature) with u uniform in [0, 1), walking the ids upwards. */
  draw(temperature: number, u: number): number {
    this.#copy();
    this.#softmax(temperature);
    const ids = this.#ids;
    let last = ids[0]!;
    let sum = 0;
    for (let i = 0; i < this.#count; i++) {
      const probability = this.#probabilities[ids[i]!]!;
      if (probability === 0) continue;
      last = ids[i]!;
      sum += probability;
      if (u < sum) break;
    }
    return last;
  }

  /** Brings the logits given here. */
  #copy(): void {
    const given = this.#given;
    if (given === null) return;
    const logits = this.#logits;
    const ids = this.#ids;
    for (let id = 0; id < logits.length; id++) {
      logits[id] = possible(given[id]!);
      ids[id] = id;
    }
    this.#given = null;
  }

  #best(): number {
    const ids = this.#ids;
    const logits = this.#logits;
    let best = ids[0]!;
    for (let i = 1; i < this.#count; i++) if (logits[ids[i]!]! > logits[best]!) best = ids[i]!;
    return best;
  }

  /** All tokens are in play: leaves the k likeliest by `from` [vocab] in front, with their logits: a heap with the unlikeliest of them on top. */
  #topK(from: ArrayLike<number>, k: number): void {
    const logits = this.#logits;
    const ids = this.#ids;
    const count = this.#count;
    for (let id = 0; id < k; id++) {
      logits[id] = possible(from[id]!);
      ids[id] = id;
    }
    heapify(ids, logits, k);
    let least = logits[ids[0]!]!;
    for (let id = k; id < count; id++) {
      const logit = from[id]!;
      if (!(logit > least)) continue; // an equal one has a higher id than all before it
      logits[id] = logit;
      ids[0] = id;
      sink(ids, logits, 0, k);
      least = logits[ids[0]!]!;
    }
  }

  /** Probabilities of the ids in play; all of them equal if none is possible. */
  #softmax(temperature: number): void {
    const ids = this.#ids;
    const logits = this.#logits;
    const probabilities = this.#probabilities;
    const largest = logits[this.#best()]!;
    let sum = 0;
    for (let i = 0; i < this.#count; i++) {
      const logit = logits[ids[i]!]!;
      const weight = logit === largest ? 1 : exp((logit - largest) / temperature);
      probabilities[ids[i]!] = weight;
      sum += weight;
    }
    for (let i = 0; i < this.#count; i++) probabilities[ids[i]!]! /= sum;
  }

  /** Keeps the first ids in the present order until their probabilities reach p. */
  #keepMass(p: number): void {
    let sum = 0;
    let kept = 0;
    while (kept < this.#count && sum < p) sum += this.#probabilities[this.#ids[kept++]!]!;
    this.#keep(kept);
  }

  #keepFrom(values: Float64Array, least: number): void {
    const ids = this.#ids;
    const count = this.#count;
    this.#count = 0;
    for (let i = 0; i < count; i++) if (values[ids[i]!]! >= least) ids[this.#count++] = ids[i]!;
  }

  /** Keeps the first n and puts them back in order of id. */
  #keep(n: number): void {
    this.#count = n;
    this.#ids.subarray(0, n).sort();
  }
}

/** A logit, or that of an impossible token where it is no number. */
const possible = (logit: number): number => (logit === logit ? logit : -Infinity);
