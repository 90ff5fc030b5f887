import { TetradError } from '../core/errors.ts';
import type { ModelConfig } from '../models/config.ts';
import { ChatTemplate, type ChatMessage, type ChatOptions } from '../tokenizer/chat-template.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { Candidates } from './candidates.ts';
import { Generation } from './generation.ts';
import { TokenRun } from './generator.ts';
import { Sampler } from './sampler.ts';
import { resolveSampling, type SamplingOptions } from './sampling-options.ts';
import { Sequence } from './sequence.ts';
import { checkSpeculate, Speculator, type Speculate } from './speculation.ts';
import { StopMatcher } from './stop.ts';
import type { TokenModel } from './token-model.ts';

export interface GenerateOptions extends SamplingOptions {
  /** Most tokens to generate; default: until the context is full. */
  readonly maxTokens?: number | undefined;
  /** Ends the text before any of these strings. */
  readonly stop?: string | readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Control tokens written in the prompt are parsed, and those generated are shown. Default false. */
  readonly special?: boolean | undefined;
  /**
   * Guesses tokens from the text so far and checks several in one pass: the same text sooner where it repeats prompt or completion, as summaries and
   * edits do. `auto` guesses where it is expected to save time, a number up to so many tokens (7 at most) wherever there are any. Default `auto`.
   */
  readonly speculate?: Speculate | undefined;
}

export interface ModelParts<Estimate> {
  readonly tokens: TokenModel;
  readonly tokenizer: Tokenizer;
  readonly config: ModelConfig;
  /** What the model was estimated to need when it was loaded. */
  readonly estimate: Estimate;
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
  readonly #sequence: Sequence;
  readonly #now: () => number;
  readonly #pause: (() => Promise<void>) | undefined;
  readonly #release: (() => void | Promise<void>) | undefined;
  readonly #candidates: Candidates;
  readonly #speculator: Speculator;
  #template: ChatTemplate | undefined;
  #disposing: Promise<void> | undefined;

  constructor(parts: ModelParts<Estimate>) {
    this.tokenizer = parts.tokenizer;
    this.config = parts.config;
    this.estimate = parts.estimate;
    this.#sequence = new Sequence(parts.tokens);
    this.#now = parts.now;
    this.#pause = parts.pause;
    this.#release = parts.release;
    this.#candidates = new Candidates(parts.tokens.vocab);
    this.#speculator = new Speculator(parts.tokens.context);
  }

  /** Tokens of context, prompt and completion together. */
  get context(): number {
    return this.#sequence.model.context;
  }

  /**
   * Continues a text, or ids taken as they are. Nothing runs until the result is read:
   * `for await (const piece of model.generate(prompt)) ...`, or `const { text } = await model.generate(prompt).result`.
   * Reading fails with `empty_prompt`, `context_overflow`, `invalid_argument`, `busy`, `disposed`, or the signal's reason.
   */
  generate(prompt: string | readonly number[], options: GenerateOptions = {}): Generation {
    return this.#generation(options, () => (typeof prompt === 'string' ? this.#encode(prompt, options) : this.#checkIds(prompt)));
  }

  /** The assistant's next turn by the model's own chat template; see `generate`. Fails with `no_template` on a base model. */
  chat(messages: readonly ChatMessage[], options: GenerateOptions & ChatOptions = {}): Generation {
    return this.#generation(options, () => this.#chatTemplate().encode(messages, options));
  }

  /** Gives back memory; later calls fail with `disposed`, a running generation too. */
  dispose(): Promise<void> {
    this.#sequence.dispose();
    this.#disposing ??= Promise.resolve(this.#release?.());
    return this.#disposing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #generation(options: GenerateOptions, promptIds: () => readonly number[]): Generation {
    return new Generation(this.tokenizer, options.special === true, () => {
      const { vocab } = this.#sequence.model;
      const { maxTokens, signal } = options;
      if (maxTokens !== undefined && !(Number.isInteger(maxTokens) && maxTokens >= 1)) {
        throw new TetradError('invalid_argument', `Cannot generate: maxTokens is ${String(maxTokens)}, needed is an integer of at least 1`);
      }
      const speculate = checkSpeculate(options.speculate ?? 'auto');
      const sampling = resolveSampling(options, vocab);
      const stop = new StopMatcher(options.stop);
      const prompt = promptIds();
      const sampler = new Sampler(this.#candidates, sampling, prompt);
      const end = new Set(this.tokenizer.data.eos);
      const clock = { now: this.#now, pause: this.#pause };
      const run = new TokenRun(this.#sequence, prompt, { sampler, speculator: this.#speculator, speculate, end, maxTokens, signal, ...clock });
      return { run, stop, seed: sampling.seed };
    });
  }

  #encode(prompt: string, { special }: GenerateOptions): number[] {
    return this.tokenizer.encode(prompt, { special, bos: this.tokenizer.data.addBos });
  }

  #checkIds(ids: readonly number[]): readonly number[] {
    const { vocab } = this.#sequence.model;
    if (!Array.isArray(ids)) throw new TetradError('invalid_argument', `Cannot generate: the prompt is ${typeof ids}, needed is a string or a list of ids`);
    for (const id of ids) {
      if (!Number.isInteger(id) || id < 0 || id >= vocab) {
        throw new TetradError('invalid_argument', `Cannot generate: the prompt holds token ${String(id)}, needed are ids below ${vocab}`);
      }
    }
    return ids;
  }

  #chatTemplate(): ChatTemplate {
    return (this.#template ??= new ChatTemplate(this.tokenizer));
  }
}
