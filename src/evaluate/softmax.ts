import { exp, log } from '../core/math.ts';

/** Terms below e^-40 of the largest count as 0: all of a vocabulary of 100,000 together add less than 5e-13 of the sum. */
export const LIMIT = 40;
const STEPS = 64;
/** e^(-j / STEPS) at index j, 0 at the limit. */
const TABLE = Float64Array.from({ length: LIMIT * STEPS + 1 }, (_, j) => (j < LIMIT * STEPS ? exp(-j / STEPS) : 0));

/** The softmax of one row of logits; refilled by `read`. */
export interface Distribution {
  /** e^(logit - largest logit), [vocab]; the probability is `terms[i] / sum`. */
  readonly terms: Float64Array;
  sum: number;
  /** log of the sum of e^logit. */
  logSum: number;
  /** The most likely token; the first of equals. */
  top: number;
}

export const distribution = (vocab: number): Distribution => ({ terms: new Float64Array(vocab), sum: 0, logSum: 0, top: 0 });

/**
 * Reads the logits of one position, [vocab]. A NaN among them makes `sum` and `logSum` NaN.
 *
 * e^-x for x >= 0 is a table entry times the Taylor series of the rest r < 1/64 to degree 4, whose remainder is r^5 / 120 < 8e-12. Arithmetic alone,
 * so the same bits on every engine; the plain exp of `core/math.ts` would cost more than a small model's forward.
 */
export function read(into: Distribution, logits: Float32Array): void {
  const { terms } = into;
  let top = 0;
  let maximum = logits[0]!;
  for (let i = 1; i < terms.length; i++) {
    const value = logits[i]!;
    if (value > maximum) {
      maximum = value;
      top = i;
    }
  }
  let sum = 0;
  for (let i = 0; i < terms.length; i++) {
    const x = Math.min(LIMIT, maximum - logits[i]!);
    const j = (x * STEPS) | 0;
    const r = x - j / STEPS;
    const term = TABLE[j]! * (1 - r * (1 - r * (1 / 2 - r * (1 / 6 - r * (1 / 24)))));
    terms[i] = term;
    sum += term;
  }
  into.top = top;
  into.sum = sum;
  into.logSum = maximum + log(sum);
}
