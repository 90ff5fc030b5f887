import { exp, log } from '../../core/math.ts';
import { ceilTo } from '../../formats/layout.ts';
import { denseKl, type BaseRow } from '../base.ts';
import { distribution, LIMIT, read, type Distribution } from '../softmax.ts';
import { codesOf, rowBytes, type StoredInfo } from './format.ts';

const MOST_CODE = 65535;

type Shape = Pick<StoredInfo, 'vocab' | 'top'>;

/** Views of a row in a buffer at a multiple of 4 bytes. */
interface RowViews {
  /** scale, min, log-probability of the text's token, log of the rest. */
  readonly head: Float32Array;
  readonly codes: Uint16Array;
  readonly ids: Uint32Array;
}

function viewsOf(shape: Shape, buffer: ArrayBuffer, at: number): RowViews {
  const count = codesOf(shape);
  return {
    head: new Float32Array(buffer, at, 4),
    codes: new Uint16Array(buffer, at + 16, count),
    ids: new Uint32Array(buffer, at + 16 + ceilTo(2 * count, 4), shape.top === 0 ? 0 : count),
  };
}

/** Writes rows of logits as `format.ts` describes them. */
export class RowEncoder {
  readonly bytes: number;
  readonly #shape: Shape;
  readonly #truth: Distribution;
  /** Codes of all tokens, and how many tokens have each code. */
  readonly #codes: Uint16Array;
  readonly #counts = new Uint32Array(MOST_CODE + 1);

  constructor(shape: Shape) {
    this.#shape = shape;
    this.bytes = rowBytes(shape);
    this.#truth = distribution(shape.vocab);
    this.#codes = new Uint16Array(shape.vocab);
  }

  /** The row of `logits` at byte `at`; returns the negative log-likelihood of the text's token. */
  encode(logits: Float32Array, target: number, buffer: ArrayBuffer, at: number): number {
    const truth = this.#truth;
    read(truth, logits);
    const most = logits[truth.top]!;
    let least = most;
    for (let i = 0; i < logits.length; i++) least = Math.min(least, logits[i]!);
    least = Math.max(least, most - LIMIT);
    const scale = Math.fround((most - least) / MOST_CODE);
    const codes = this.#codes;
    for (let i = 0; i < codes.length; i++) {
      const above = logits[i]! - least;
      codes[i] = above > 0 ? Math.min(MOST_CODE - 1, Math.round(above / scale)) : 0;
    }
    codes[truth.top] = MOST_CODE;
    const nll = truth.logSum - logits[target]!;
    const row = viewsOf(this.#shape, buffer, at);
    row.head.set([scale, least - truth.logSum, -nll, -Infinity]);
    if (this.#shape.top === 0) row.codes.set(codes);
    else row.head[3] = this.#keepTop(row);
    return nll;
  }

  /** Fills a row with the most likely tokens, equals by ascending id; returns the log of the probability of all others. */
  #keepTop(row: RowViews): number {
    const codes = this.#codes;
    const counts = this.#counts.fill(0);
    for (let i = 0; i < codes.length; i++) counts[codes[i]!]!++;
    let least = MOST_CODE;
    for (let above = counts[least]!; above < row.ids.length; above += counts[least]!) least--;
    // Where the rows of each code from `least` up begin.
    for (let code = MOST_CODE, next = 0; code >= least; code--) {
      const count = counts[code]!;
      counts[code] = next;
      next += count;
    }
    const { terms, sum } = this.#truth;
    let rest = 0;
    for (let i = 0; i < codes.length; i++) {
      const code = codes[i]!;
      const place = code >= least ? counts[code]!++ : row.ids.length;
      if (place < row.ids.length) {
        row.ids[place] = i;
        row.codes[place] = code;
      } else rest += terms[i]!;
    }
    return log(rest / sum);
  }
}

/** Reads rows back. */
export class RowDecoder {
  readonly #shape: Shape;
  readonly #truth: Distribution;
  /** Log-probabilities of the row, by code. */
  readonly #logs: Float32Array;

  constructor(shape: Shape) {
    this.#shape = shape;
    this.#truth = distribution(shape.top === 0 ? shape.vocab : 0);
    this.#logs = new Float32Array(codesOf(shape));
  }

  /** The row at byte `at`; valid until the next call. */
  decode(buffer: ArrayBuffer, at: number): BaseRow {
    const { head, codes, ids } = viewsOf(this.#shape, buffer, at);
    const [scale, min, target, rest] = [head[0]!, head[1]!, head[2]!, head[3]!];
    const logs = this.#logs;
    for (let i = 0; i < logs.length; i++) logs[i] = min + scale * codes[i]!;
    const known = { nll: -target, probability: exp(target) };
    if (this.#shape.top > 0) return { ...known, top: ids[0]!, kl: (own, logits) => sparseKl(logs, ids, rest, own, logits) };
    const truth = this.#truth;
    read(truth, logs);
    return { ...known, top: truth.top, kl: (own, logits) => denseKl(truth, logs, own, logits) };
  }
}

/**
 * KL where only some tokens' log-probabilities are known and all others count as one event: sum over the known ones of p log(p / q), plus P log(P / Q) of
 * the rest's probabilities. Never more than the KL over all tokens (the log sum inequality).
 */
function sparseKl(logs: Float32Array, ids: Uint32Array, rest: number, own: Distribution, logits: Float32Array): number {
  let mass = 0;
  let kl = 0;
  let taken = 0;
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!;
    const p = exp(logs[i]!);
    mass += p;
    taken += own.terms[id]!;
    kl += p * (logs[i]! - (logits[id]! - own.logSum));
  }
  const p = exp(rest);
  if (p > 0) kl += p * (rest - log(Math.max((own.sum - taken) / own.sum, Number.EPSILON)));
  // Codes are rounded: the known probabilities and the rest add up to almost 1.
  kl = kl / (mass + p) - log(mass + p);
  return kl < 0 ? 0 : kl;
}
