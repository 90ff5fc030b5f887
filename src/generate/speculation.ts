import { TetradError } from '../core/errors.ts';
import { NgramIndex } from './ngram-index.ts';
import { PassCosts } from './pass-costs.ts';

/** Rows of logits that generation uses of one pass: the last token chosen, and those guessed after it. */
export const LOGIT_ROWS = 8;

/** Most tokens guessed at once. */
export const MOST_DRAFTED = LOGIT_ROWS - 1;

/** `auto`: guess where it is expected to save time; a number: guess up to so many tokens wherever the text offers any; false: never. */
export type Speculate = 'auto' | false | number;

/** Throws `invalid_argument` for what is none. */
export function checkSpeculate(value: unknown): Speculate {
  if (value === 'auto' || value === false || (Number.isInteger(value) && Number(value) >= 1 && Number(value) <= MOST_DRAFTED)) return value as Speculate;
  const found = typeof value === 'string' ? JSON.stringify(value) : String(value);
  throw new TetradError('invalid_argument', `Cannot generate: speculate is ${found}, needed is "auto", false or an integer from 1 to ${MOST_DRAFTED}`);
}

/**
 * Share of guesses that come true by how many tokens before them agree, up to 8, before a text has shown its own:
 * about what summaries and edited code gave with SmolLM2 (`npm run bench -- speculation`).
 */
const ACCEPTANCE = [0, 0.12, 0.4, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9] as const;
const LONGEST = ACCEPTANCE.length - 1;

/** Weight of one more guess. */
const RATE = 0.1;

/** Steps until a cost that forbids drafts is measured anew; doubled each time, up to the last. */
const FIRST_WAIT = 16;
const LAST_WAIT = 1024;

/**
 * Guesses what comes next by prompt lookup (Saxena 2023): what followed when the last tokens stood before. While guesses come true the same place is
 * followed on. Every guess is held against the token that is chosen, whether a pass has run it or not, so acceptance is known without trying.
 */
export class Speculator {
  readonly #index: NgramIndex;
  readonly #costs = new PassCosts(LOGIT_ROWS);
  /** By length of the match. */
  readonly #acceptance = new Float64Array(ACCEPTANCE.length);
  /** Views of the first n tokens of one block. */
  readonly #blocks: readonly Int32Array[];
  #auto = true;
  #most = 0;
  /** Index of the token that is the next guess; 0: there is none. */
  #at = 0;
  /** Tokens before it that agree with the end of the text. */
  #matched = 0;
  #waited = 0;
  #wait = FIRST_WAIT;

  constructor(context: number) {
    this.#index = new NgramIndex(context + 1, MOST_DRAFTED);
    const block = new Int32Array(LOGIT_ROWS);
    this.#blocks = Array.from({ length: LOGIT_ROWS + 1 }, (_, n) => block.subarray(0, n));
  }

  /** Begins a text. What passes cost stays known. */
  start(prompt: readonly number[], speculate: Speculate): void {
    this.#auto = speculate === 'auto';
    this.#most = speculate === 'auto' ? MOST_DRAFTED : Number(speculate);
    this.#at = this.#matched = this.#waited = 0;
    this.#wait = FIRST_WAIT;
    this.#acceptance.set(ACCEPTANCE);
    this.#index.clear();
    for (const token of prompt) this.#index.push(token);
  }

  /** Takes the token that was chosen. */
  push(token: number): void {
    const hit = this.#at > 0 && this.#index.tokens[this.#at] === token;
    if (this.#at > 0) {
      const length = Math.min(this.#matched, LONGEST);
      this.#acceptance[length]! += RATE * (Number(hit) - this.#acceptance[length]!);
    }
    this.#index.push(token);
    this.#at = hit ? this.#at + 1 : 0;
    this.#matched = hit ? this.#matched + 1 : 0;
    const found = this.#index.find();
    if (this.#index.matched > this.#matched) {
      this.#at = found;
      this.#matched = this.#index.matched;
    }
  }

  /** Tokens for the next pass, a view that the next call overwrites: the last token chosen and, if that pays, up to `room` guesses. */
  block(room: number): Int32Array {
    const { tokens, length } = this.#index;
    const drafted = this.#at === 0 ? 0 : this.#count(Math.min(this.#most, room));
    for (let i = 0; i < drafted; i++) tokens[length + i] = tokens[this.#at + i]!; // reads what it wrote where the text repeats itself
    const block = this.#blocks[1 + drafted]!;
    for (let i = 0; i < block.length; i++) block[i] = tokens[length - 1 + i]!;
    return block;
  }

  /** What a pass of so many tokens took. */
  record(tokens: number, ms: number): void {
    this.#costs.record(tokens, ms);
  }

  /** How many guesses to run of `most`. */
  #count(most: number): number {
    if (!this.#auto) return most;
    const count = this.#best(most, true);
    if (count > 0) {
      this.#wait = FIRST_WAIT;
      this.#waited = 0;
      return count;
    }
    const hoped = this.#best(most, false);
    if (hoped === 0 || ++this.#waited < this.#wait) return 0;
    this.#waited = 0;
    this.#wait = Math.min(2 * this.#wait, LAST_WAIT);
    return hoped;
  }

  /** The draft with most expected tokens for its cost: n guesses give 1 + sum over i of the product of the first i acceptances. */
  #best(most: number, measured: boolean): number {
    let best = 0;
    let rate = 1;
    let expected = 1;
    let product = 1;
    for (let n = 1; n <= most; n++) {
      product *= this.#acceptance[Math.min(this.#matched + n - 1, LONGEST)]!;
      expected += product;
      const own = expected / (measured ? this.#costs.measured(1 + n) : this.#costs.assumed(1 + n));
      if (own <= rate) continue;
      best = n;
      rate = own;
    }
    return best;
  }
}
