/** Logits of a block of tokens, [tokens, stride] f32; the first `vocab` entries of a row count. Valid until the model's next call. */
export interface Logits {
  readonly values: Float32Array;
  readonly stride: number;
}

/** What perplexity and divergence need of a model: all positions' logits, block by block. */
export interface Evaluator {
  /** Most tokens that one window may hold. */
  readonly context: number;
  readonly vocab: number;
  /** Most tokens of one `forward`. */
  readonly block: number;
  /** Forgets all tokens: the next block starts at position 0. */
  reset(): void;
  /** Appends the tokens and gives the logits of each of them. */
  forward(tokens: ArrayLike<number>): Logits | Promise<Logits>;
}
