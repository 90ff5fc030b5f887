/** What generation needs of a model: logits for tokens after those in the cache. */
export interface TokenModel {
  readonly vocab: number;
  /** Most tokens that the cache holds. */
  readonly context: number;
  /** Tokens in the cache. */
  readonly position: number;
  /** Keeps at most n tokens of the cache; returns the position reached, which may be lower. */
  truncate(n: number): number;
  /** Runs 1 to `blockRoom()` tokens; returns the last one's logits [vocab], a view that the next call overwrites. */
  forward(tokens: ArrayLike<number>): Float32Array;
  /** Most tokens that the next `forward` takes. */
  blockRoom(): number;
}
