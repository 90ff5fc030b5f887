import { TetradError } from '../core/errors.ts';
import type { Random } from '../core/random.ts';
import { ChatTemplate } from '../tokenizer/chat-template.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { Candidates } from './candidates.ts';
import { Generation, type GenerationResult } from './generation.ts';
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

/** What one generation starts from. */
export interface Turn {
  readonly prompt: readonly number[];
  /** Stands for the options' seed. */
  readonly seed?: number | undefined;
  /** Where random numbers go on; default: from the seed. */
  readonly random?: Random | undefined;
  /** The end of the prompt that counts as chosen by this generation. */
  readonly completion?: readonly number[] | undefined;
  /** Hears the result before anybody else, and not of a generation that failed. */
  readonly settled?: ((result: GenerationResult) => void) | undefined;
}

/** A steady clock in milliseconds, and how other work gets a turn; default: by a message to itself. */
export interface Clock {
  readonly now: () => number;
  readonly pause?: (() => Promise<void>) | undefined;
}

/** What all generations of a model share. */
export class Engine {
  readonly tokenizer: Tokenizer;
  readonly sequence: Sequence;
  readonly #clock: Clock;
  readonly #candidates: Candidates;
  readonly #speculator: Speculator;
  #template: ChatTemplate | undefined;

  constructor(tokens: TokenModel, tokenizer: Tokenizer, { now, pause }: Clock) {
    this.tokenizer = tokenizer;
    this.sequence = new Sequence(tokens);
    this.#clock = { now, pause };
    this.#candidates = new Candidates(tokens.vocab);
    this.#speculator = new Speculator(tokens.context);
  }

  /** Throws `no_template` on a base model. */
  get template(): ChatTemplate {
    return (this.#template ??= new ChatTemplate(this.tokenizer));
  }

  /** Nothing runs, and `turn` is not asked, until the generation is read. */
  generation(options: GenerateOptions, turn: () => Turn): Generation {
    return new Generation(this.tokenizer, options.special === true, () => {
      const { vocab } = this.sequence.model;
      const { maxTokens, signal } = options;
      if (maxTokens !== undefined && !(Number.isInteger(maxTokens) && maxTokens >= 1)) {
        throw new TetradError('invalid_argument', `Cannot generate: maxTokens is ${String(maxTokens)}, needed is an integer of at least 1`);
      }
      const speculate = checkSpeculate(options.speculate ?? 'auto');
      const { prompt, seed = options.seed, random, completion, settled } = turn();
      const sampling = resolveSampling({ ...options, seed }, vocab);
      const stop = new StopMatcher(options.stop);
      const sampler = new Sampler(this.#candidates, sampling, prompt, random, completion);
      const end = new Set(this.tokenizer.data.eos);
      const run = new TokenRun(this.sequence, prompt, { sampler, speculator: this.#speculator, speculate, end, maxTokens, signal, ...this.#clock });
      return { run, stop, seed: sampling.seed, settled };
    });
  }

  /** The ids of a prompt; `bos`: it may begin with the token that begins a text. */
  encode(prompt: string | readonly number[], { special }: GenerateOptions, bos: boolean): readonly number[] {
    return typeof prompt === 'string' ? this.tokenizer.encode(prompt, { special, bos: bos && this.tokenizer.data.addBos }) : this.#checkIds(prompt);
  }

  #checkIds(ids: readonly number[]): readonly number[] {
    const { vocab } = this.sequence.model;
    if (!Array.isArray(ids)) throw new TetradError('invalid_argument', `Cannot generate: the prompt is ${typeof ids}, needed is a string or a list of ids`);
    for (const id of ids) {
      if (!Number.isInteger(id) || id < 0 || id >= vocab) {
        throw new TetradError('invalid_argument', `Cannot generate: the prompt holds token ${String(id)}, needed are ids below ${vocab}`);
      }
    }
    return ids;
  }
}
