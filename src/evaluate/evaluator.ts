import { PAGE } from '../formats/descriptor.ts';
import type { Decoder } from '../runtime/decoder.ts';

/** What perplexity and divergence need of a model: the logits of all positions, block by block. */
export interface Evaluator {
  /** Most tokens that one window may hold. */
  readonly context: number;
  readonly vocab: number;
  /** Most tokens of one `forward`. */
  readonly block: number;
  /** Forgets all tokens: the next block starts at position 0. */
  reset(): void;
  /** Appends the tokens and gives the logits of each, [tokens.length][vocab]: views that the next call may overwrite. */
  forward(tokens: ArrayLike<number>): readonly Float32Array[];
}

/** A decoder that keeps PAGE rows of logits. */
export function evaluatorOf(decoder: Decoder): Evaluator {
  return {
    context: decoder.context,
    vocab: decoder.vocab,
    block: PAGE,
    reset: () => void decoder.truncate(0),
    forward: (tokens) => decoder.forwardRows(tokens, tokens.length),
  };
}
