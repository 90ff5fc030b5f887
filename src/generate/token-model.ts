/** What generation needs of a model: logits for tokens after those in the cache. */
export interface TokenModel {
  readonly vocab: number;
  /** Most tokens that the cache holds. */
  readonly context: number;
  /** Most rows of logits that one pass gives. */
  readonly logitRows: number;
  /** Tokens in the cache. */
  readonly position: number;
  /** Keeps at most n tokens of the cache; returns the position reached, which is lower only if n lies before the last block's first token. */
  truncate(n: number): number;
  /**
   * Runs 1 to `blockRoom()` tokens. Returns the logits of the last `rows` of them, in order, [rows][vocab]: views that the next call overwrites.
   * A row has the same bits whatever the block.
   */
  forwardRows(tokens: ArrayLike<number>, rows: number): readonly Float32Array[];
  /** Most tokens that the next pass takes. */
  blockRoom(): number;
  /** Tells the model's numbers from those of others. */
  digest(): Promise<string>;
  /** How the cache is stored: a saved one only goes back where it is stored alike. */
  readonly kv: object;
  /** Bytes of the saved cache of so many tokens. */
  cacheBytes(tokens: number): number;
  /** Copies the cache of the first `tokens` tokens to `target`, `cacheBytes` bytes. */
  saveCache(tokens: number, target: Uint8Array): void;
  /** Puts a saved cache in the place of what is there; returns the position reached, which may be lower than `tokens` where they fill the context. */
  restoreCache(tokens: number, source: Uint8Array): number;
}
