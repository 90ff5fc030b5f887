import type { ModelConfig } from '../models/config.ts';
import type { ChatMessage, ChatOptions } from '../tokenizer/chat-template.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { Engine, type GenerateOptions } from './engine.ts';
import type { Generation } from './generation.ts';
import { restoreSession } from './restore.ts';
import { Session, type SessionOptions } from './session.ts';
import type { TokenModel } from './token-model.ts';

export type { GenerateOptions } from './engine.ts';

export interface ModelParts<Estimate> {
  readonly tokens: TokenModel;
  readonly tokenizer: Tokenizer;
  readonly config: ModelConfig;
  /** What the model was estimated to need when it was loaded. */
  readonly estimate: Estimate;
  /** The kernels that were chosen: `scalar`, `simd128`, `relaxed-i16` or `relaxed-i32`. */
  readonly kernels: string;
  readonly threads: number;
  /** Milliseconds on a steady clock, such as `performance.now`. */
  readonly now: () => number;
  /** Gives other work a turn; default: by a message to itself. */
  readonly pause?: (() => Promise<void>) | undefined;
  /** Gives back what the model holds. */
  readonly release?: (() => void | Promise<void>) | undefined;
}

/** A loaded model. One generation at a time; what a prompt shares with the one before stays in the cache. */
export class Model<Estimate = unknown> implements AsyncDisposable {
  readonly tokenizer: Tokenizer;
  readonly config: ModelConfig;
  readonly estimate: Estimate;
  readonly kernels: string;
  readonly threads: number;
  readonly #engine: Engine;
  readonly #release: (() => void | Promise<void>) | undefined;
  #disposing: Promise<void> | undefined;

  constructor(parts: ModelParts<Estimate>) {
    this.tokenizer = parts.tokenizer;
    this.config = parts.config;
    this.estimate = parts.estimate;
    this.kernels = parts.kernels;
    this.threads = parts.threads;
    this.#engine = new Engine(parts.tokens, parts.tokenizer, parts);
    this.#release = parts.release;
  }

  /** Tokens of context, prompt and completion together. */
  get context(): number {
    return this.#engine.sequence.model.context;
  }

  /**
   * SHA-256 of all that the model computes with, the same for a checkpoint packed while it is loaded and for the container that it is packed to. Another one means
   * other numbers.
   */
  get digest(): Promise<string> {
    return this.#engine.sequence.model.digest();
  }

  /**
   * Continues a text, or ids taken as they are. Nothing runs until the result is read:
   * `for await (const piece of model.generate(prompt)) ...`, or `const { text } = await model.generate(prompt).result`.
   * Reading fails with `empty_prompt`, `context_overflow`, `invalid_argument`, `busy`, `disposed`, or the signal's reason.
   */
  generate(prompt: string | readonly number[], options: GenerateOptions = {}): Generation {
    return this.#engine.generation(options, () => ({ prompt: this.#engine.encode(prompt, options, true) }));
  }

  /** The assistant's next turn by the model's own chat template; see `generate`. Fails with `no_template` on a base model. */
  chat(messages: readonly ChatMessage[], options: GenerateOptions & ChatOptions = {}): Generation {
    return this.#engine.generation(options, () => ({ prompt: this.#engine.template.encode(messages, options) }));
  }

  /**
   * A text or a conversation that goes on from turn to turn, and can be saved between them. Any number of sessions share the model's one cache: what another has
   * put there instead is computed again, with the same results.
   */
  session(options: SessionOptions = {}): Session {
    return Session.begin(this.#engine, options);
  }

  /**
   * The session that `save()` of another instance gave, on whatever runtime: it goes on with the tokens that it would have gone on with there. Rejects with
   * `invalid_file`, `digest_mismatch` or `unsupported_version` for what is no session that this library can read, `session_mismatch` for one of another model or KV
   * format, `context_overflow` where the context is too small, `busy` or `disposed`.
   */
  async restore(saved: Uint8Array): Promise<Session> {
    return restoreSession(this.#engine, saved);
  }

  /** Gives back memory; later calls fail with `disposed`, a running generation too. */
  dispose(): Promise<void> {
    this.#engine.sequence.dispose();
    this.#disposing ??= Promise.resolve(this.#release?.());
    return this.#disposing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
