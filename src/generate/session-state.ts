import type { ChatMessage } from '../tokenizer/chat-template.ts';

/** All that a session is, but for the cache. */
export interface SessionState {
  /** Of the whole text, or of the conversation as it was last rendered and the answer to it. */
  readonly tokens: readonly number[];
  /** How many of them, at the end, were chosen since the last prompt: `frequencyPenalty` and `presencePenalty` count these. */
  readonly chosen: number;
  /** The turns of a conversation; null: a text. */
  readonly messages: readonly ChatMessage[] | null;
  readonly seed: number;
  /** Four words of the generator that `seed` began. */
  readonly random: readonly number[];
}
