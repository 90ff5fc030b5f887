import { TetradError } from '../../core/errors.ts';
import { pause } from '../../core/pause.ts';
import type { Decoder } from '../../runtime/decoder.ts';
import { distribution, read, type Distribution } from '../softmax.ts';
import type { EncodedItem, Item } from './items.ts';

/** What scoring needs of a decoder. */
export type ChoiceModel = Pick<Decoder, 'context' | 'vocab' | 'position' | 'logitRows' | 'blockRoom' | 'truncate' | 'forwardRows'>;

/** Log-likelihoods of choices by one model, whose cache keeps what successive inputs share. */
export class ChoiceScorer {
  readonly #model: ChoiceModel;
  readonly #own: Distribution;
  /** Tokens in the model's cache. */
  #cached: readonly number[] = [];

  constructor(model: ChoiceModel) {
    this.#model = model;
    this.#own = distribution(model.vocab);
  }

  /**
   * Sum of the log-likelihoods of each choice's tokens, nats. What is longer than the context loses tokens at the front.
   * Throws `context_overflow` where a choice alone does not fit.
   */
  async score(item: EncodedItem, signal?: AbortSignal): Promise<number[]> {
    const scores: number[] = [];
    for (const choice of item.choices) {
      if (choice.length > this.#model.context) {
        throw new TetradError('context_overflow', `Cannot score item ${item.id}: a choice has ${choice.length} tokens, the context takes ${this.#model.context}`);
      }
      const tokens = [...item.context, ...choice].slice(-this.#model.context - 1);
      scores.push(await this.#follow(tokens, tokens.length - choice.length, signal));
    }
    return scores;
  }

  /** Log-likelihood of tokens[first..], each given all before it. */
  async #follow(tokens: readonly number[], first: number, signal?: AbortSignal): Promise<number> {
    const model = this.#model;
    const own = this.#own;
    const input = tokens.slice(0, -1);
    let shared = 0;
    while (shared < first - 1 && shared < this.#cached.length && this.#cached[shared] === input[shared]) shared++;
    this.#cached = input;
    let sum = 0;
    for (let at = model.truncate(shared); at < input.length; at = model.position) {
      await pause();
      signal?.throwIfAborted();
      const block = input.slice(at, at + Math.min(model.blockRoom(), model.logitRows));
      // Logits after token number i predict token i + 1: they count from token first - 1 on.
      const rows = Math.min(block.length, Math.max(1, at + block.length - (first - 1)));
      model.forwardRows(block, rows).forEach((logits, r) => {
        const next = at + block.length - rows + r + 1;
        if (next < first) return;
        read(own, logits);
        sum += logits[tokens[next]!]! - own.logSum;
      });
    }
    return sum;
  }
}

/** Share of right answers and its standard error, as of lm-evaluation-harness. */
export interface Accuracy {
  readonly acc: number;
  readonly accError: number;
  /** The same by log-likelihood divided by the choice's length in bytes. */
  readonly accNorm: number;
  readonly accNormError: number;
  readonly items: number;
}

const best = (scores: readonly number[]): number => scores.indexOf(Math.max(...scores));

/** Whether the best choice is the right one, by log-likelihood and by log-likelihood per byte of UTF-8; the first of equals counts. */
export function judge({ choices, gold }: Item, scores: readonly number[]): { readonly right: boolean; readonly rightNorm: boolean } {
  const bytes = choices.map((choice) => new TextEncoder().encode(choice).length);
  return { right: best(scores) === gold, rightNorm: best(scores.map((score, c) => score / bytes[c]!)) === gold };
}

export function accuracyOf(items: readonly Item[], scores: readonly (readonly number[])[]): Accuracy {
  const verdicts = items.map((item, i) => judge(item, scores[i]!));
  const share = (count: number): number => count / items.length;
  const error = (p: number): number => (items.length < 2 ? 0 : Math.sqrt((p * (1 - p)) / (items.length - 1)));
  const acc = share(verdicts.filter(({ right }) => right).length);
  const accNorm = share(verdicts.filter(({ rightNorm }) => rightNorm).length);
  return { acc, accError: error(acc), accNorm, accNormError: error(accNorm), items: items.length };
}
