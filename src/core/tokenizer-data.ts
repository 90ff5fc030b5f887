/**
 * BPE merges whose products ascend in id order, as nearly every vocabulary has them: learning one merge makes one token.
 * `cuts` has for each token in id order either `0`, no merge gives it, or where a merge cuts it: the length of the left part in UTF-16 units,
 * above `0` in character codes. Further merges that give the same token follow after a `+` each.
 */
export interface CutMerges {
  readonly cuts: string;
  /** Merges were texts with a space between the parts, not pairs. */
  readonly joined: boolean;
}

/** Texts by id, one after the other. */
export interface PackedTexts {
  readonly text: string;
  /** For each id its text's length in UTF-16 units, above `0` in character codes, or `-` where no token has it. */
  readonly lengths: string;
}

/** All that is needed to turn text into ids and back, JSON-serialisable: stored as it is in a container. */
export interface TokenizerData {
  /** A Hugging Face `tokenizer.json`, as shipped or as built from a GGUF vocabulary. */
  readonly tokenizer: Readonly<Record<string, unknown>>;
  /** In place of `tokenizer.model.vocab`. */
  readonly tokens?: PackedTexts;
  /** In place of `tokenizer.model.merges`; needs `tokens`. */
  readonly merges?: CutMerges;
  readonly bos: number | null;
  /** Ids that end a generation: end of text, end of turn. */
  readonly eos: readonly number[];
  /** Put `bos` before a raw prompt. */
  readonly addBos: boolean;
  /** Jinja source; null for a base model. */
  readonly chatTemplate: string | null;
}
