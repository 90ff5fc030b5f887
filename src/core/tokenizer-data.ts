/** All that is needed to turn text into ids and back, JSON-serialisable: stored as it is in a container. */
export interface TokenizerData {
  /** A Hugging Face `tokenizer.json`, as shipped or as built from a GGUF vocabulary. */
  readonly tokenizer: Readonly<Record<string, unknown>>;
  readonly bos: number | null;
  /** Ids that end a generation: end of text, end of turn. */
  readonly eos: readonly number[];
  /** Put `bos` before a raw prompt. */
  readonly addBos: boolean;
  /** Jinja source; null for a base model. */
  readonly chatTemplate: string | null;
}
