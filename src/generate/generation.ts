import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { TetradError } from '../core/errors.ts';
import type { FinishReason, Timings, TokenRun } from './generator.ts';
import type { StopMatcher } from './stop.ts';
import { TextStream } from './stream.ts';

export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Of the prompt's tokens, those that were in the cache already. */
  readonly cachedTokens: number;
}

export interface GenerationResult {
  readonly text: string;
  /** All ids chosen but the end token; with a stop string these are more than the text's. */
  readonly tokens: readonly number[];
  readonly finishReason: FinishReason;
  readonly usage: Usage;
  readonly timings: Timings;
  /** Repeats this generation. */
  readonly seed: number;
}

/** A run and what turns its ids into text. */
export interface GenerationRun {
  readonly run: TokenRun;
  readonly stop: StopMatcher;
  readonly seed: number;
  /** Hears the result before anybody else, and not of a run that failed. */
  readonly settled?: ((result: GenerationResult) => void) | undefined;
}

/**
 * Text as it comes: `for await (const piece of generation)`. It starts when it is first read, and can be read once.
 * `result` gives the whole: after or during reading, or instead of it.
 */
export class Generation implements AsyncIterable<string> {
  readonly #tokenizer: Tokenizer;
  readonly #prepare: () => GenerationRun;
  readonly #special: boolean;
  readonly #settled: Promise<GenerationResult>;
  #resolve!: (result: GenerationResult) => void;
  #reject!: (error: unknown) => void;
  #started = false;

  /** `special`: show control tokens. `prepare` runs at the first read; what it throws is the reader's. */
  constructor(tokenizer: Tokenizer, special: boolean, prepare: () => GenerationRun) {
    this.#tokenizer = tokenizer;
    this.#special = special;
    this.#prepare = prepare;
    this.#settled = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#settled.catch(() => {}); // whoever reads the pieces sees the error there
  }

  /** The whole text and what it took; the text so far if the reader stopped early. Rejects as reading does. */
  get result(): Promise<GenerationResult> {
    if (!this.#started) void this.#drain();
    return this.#settled;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    if (this.#started) throw new TetradError('invalid_argument', 'Cannot read the generation: it has been read, needed is a new one');
    this.#started = true;
    const tokens: number[] = [];
    let text = '';
    let prepared: GenerationRun | undefined;
    try {
      prepared = this.#prepare();
      for await (const piece of this.#pieces(prepared, tokens)) {
        text += piece;
        yield piece;
      }
    } catch (error) {
      prepared = undefined;
      this.#reject(error);
      throw error;
    } finally {
      if (prepared !== undefined) {
        const result = resultOf(prepared, text, tokens);
        prepared.settled?.(result);
        this.#resolve(result);
      }
    }
  }

  async *#pieces({ run, stop }: GenerationRun, tokens: number[]): AsyncGenerator<string, void, undefined> {
    const stream = new TextStream();
    for await (const id of run) {
      tokens.push(id);
      const hidden = !this.#special && this.#tokenizer.isSpecial(id);
      const piece = hidden ? '' : stop.push(stream.push(this.#tokenizer.bytesOf(id)));
      if (piece !== '') yield piece;
      if (stop.stopped) return;
    }
    const rest = stop.push(stream.end()) + stop.end();
    if (rest !== '') yield rest;
  }

  async #drain(): Promise<void> {
    try {
      for await (const _ of this);
    } catch {
      // `result` rejects with it
    }
  }
}

function resultOf({ run, stop, seed }: GenerationRun, text: string, tokens: readonly number[]): GenerationResult {
  const { timings } = run;
  const { promptTokens, completionTokens, cachedTokens } = timings;
  const finishReason = stop.stopped ? 'stop' : run.finishReason;
  return { text, tokens, finishReason, usage: { promptTokens, completionTokens, cachedTokens }, timings, seed };
}
