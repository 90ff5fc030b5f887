import type { Evaluator } from './evaluator.ts';
import { distribution, read, type Distribution } from './softmax.ts';

/** What the base says at one position. Valid until the next row is asked for. */
export interface BaseRow {
  /** The most likely token; the first of equals. */
  readonly top: number;
  /** Negative log-likelihood of the text's token, nats. */
  readonly nll: number;
  /** Its probability. */
  readonly probability: number;
  /** KL(base || own) of a candidate's distribution `own`, read from `logits`; rounding below zero is cut off. */
  kl(own: Distribution, logits: Float32Array): number;
}

/** What candidates are compared with, window by window: a model that runs beside them, or its stored log-probabilities. */
export interface Base {
  /** Most tokens that one window may hold. */
  readonly context: number;
  readonly vocab: number;
  /** Most tokens of one `forward`. */
  readonly block: number;
  /** The next block is the first of this window. */
  start(window: number): void;
  /** Appends the tokens; targets[t] is the text's next token after tokens[t]. Gives the row after each. */
  forward(tokens: Int32Array, targets: Int32Array): Promise<(t: number) => BaseRow>;
}

/** KL(base || own) = sum p (b - c) - (log sum e^b - log sum e^c) of logits b and c. */
export function denseKl(base: Distribution, b: Float32Array, own: Distribution, c: Float32Array): number {
  let cross = 0;
  for (let i = 0; i < b.length; i++) cross += base.terms[i]! * (b[i]! - c[i]!);
  const kl = cross / base.sum - (base.logSum - own.logSum);
  return kl < 0 ? 0 : kl;
}

/** The row that logits (or log-probabilities) give, by way of a distribution that the next call refills. */
function denseRow(truth: Distribution, logits: Float32Array, target: number): BaseRow {
  read(truth, logits);
  return {
    top: truth.top,
    nll: truth.logSum - logits[target]!,
    probability: truth.terms[target]! / truth.sum,
    kl: (own, candidate) => denseKl(truth, logits, own, candidate),
  };
}

/** A model as the base. */
export function liveBase(model: Evaluator): Base {
  const truth = distribution(model.vocab);
  return {
    context: model.context,
    vocab: model.vocab,
    block: model.block,
    start: () => model.reset(),
    async forward(tokens, targets) {
      const rows = model.forward(tokens);
      return (t) => denseRow(truth, rows[t]!, targets[t]!);
    },
  };
}
