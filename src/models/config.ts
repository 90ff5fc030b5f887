/** The shape of a decoder-only transformer of the Llama family, as every importer gives it. */
export interface ModelConfig {
  /** Row of the architecture table (`arch.ts`). */
  readonly arch: string;
  readonly name: string;
  readonly layers: number;
  readonly hidden: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly ffn: number;
  readonly vocab: number;
  /** Trained context in tokens; a sliding window, where there is one, caps it. */
  readonly context: number;
  readonly normEps: number;
  readonly rope: RopeConfig;
  /** The output layer shares the embedding's tensor. */
  readonly tied: boolean;
}

/** Rotary embedding in the rotate-half convention: channel i pairs with i + headDim / 2. */
export interface RopeConfig {
  readonly theta: number;
  /** Divisors of the inverse frequencies, [headDim / 2] (Llama 3 and linear scaling); null: none. */
  readonly factors: readonly number[] | null;
}

/** Largest values that a reader of files believes; far above every model of the supported architectures. */
export const CONFIG_LIMITS = { layers: 1024, heads: 1024, headDim: 1024, width: 2 ** 20, vocab: 2 ** 22, context: 2 ** 31 - 1 } as const;
