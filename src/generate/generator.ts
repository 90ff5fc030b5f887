import { TetradError } from '../core/errors.ts';
import { pause as messagePause } from '../core/pause.ts';
import type { Sampler } from './sampler.ts';
import type { Sequence } from './sequence.ts';
import type { Speculate, Speculator } from './speculation.ts';

/** `stop`: an end token, a stop string, or the caller stopped reading. `length`: `maxTokens` or the context is used up. */
export type FinishReason = 'stop' | 'length';

export interface Timings {
  readonly promptTokens: number;
  /** Of these, tokens that were in the cache already. */
  readonly cachedTokens: number;
  readonly promptMs: number;
  readonly completionTokens: number;
  /** Choosing and running tokens, without the time the caller takes over them. */
  readonly completionMs: number;
  /** Guessed tokens that were run, and those of them that the sampler chose. */
  readonly draftedTokens: number;
  readonly acceptedTokens: number;
}

export interface TokenOptions {
  readonly sampler: Sampler;
  /** Scratch memory of its sequence. */
  readonly speculator: Speculator;
  readonly speculate: Speculate;
  /** Ids that end the text; they are not given out. */
  readonly end: ReadonlySet<number>;
  /** 1 or more; default: until the context is full. */
  readonly maxTokens?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds on a steady clock. */
  readonly now: () => number;
  /** Gives other work a turn. */
  readonly pause?: (() => Promise<void>) | undefined;
}

/** One run over a sequence: iterate it for the ids; `timings` and `finishReason` hold what is known so far. */
export class TokenRun implements AsyncIterable<number> {
  readonly #sequence: Sequence;
  readonly #prompt: readonly number[];
  readonly #options: TokenOptions;
  #finishReason: FinishReason = 'stop';
  #cachedTokens = 0;
  #promptMs = 0;
  #completionTokens = 0;
  #completionMs = 0;
  #draftedTokens = 0;
  #acceptedTokens = 0;
  /** The last pass over chosen and guessed tokens, its logits, and the row that is the sampler's next or was its last. */
  #block: Int32Array = new Int32Array();
  #logits: readonly Float32Array[] = [];
  #row = 0;
  /** Tokens of the cache that the text has; guesses follow. */
  #certain = Infinity;

  constructor(sequence: Sequence, prompt: readonly number[], options: TokenOptions) {
    this.#sequence = sequence;
    this.#prompt = prompt;
    this.#options = options;
  }

  get finishReason(): FinishReason {
    return this.#finishReason;
  }

  get timings(): Timings {
    return {
      promptTokens: this.#prompt.length, cachedTokens: this.#cachedTokens, promptMs: this.#promptMs,
      completionTokens: this.#completionTokens, completionMs: this.#completionMs,
      draftedTokens: this.#draftedTokens, acceptedTokens: this.#acceptedTokens,
    };
  }

  /**
   * Throws `empty_prompt`, `context_overflow`, `busy` or `disposed`, or the signal's reason; the sequence stays usable after each.
   * Other work gets a turn between blocks of the prompt and every 16 ms; after every token where the clock stands still while code runs.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<number, void, undefined> {
    const { sampler, speculator, speculate, end, maxTokens = Infinity, signal, now, pause = messagePause } = this.#options;
    const { context } = this.#sequence.acquire();
    try {
      this.#checkPrompt(context);
      speculator.start(this.#prompt, speculate);
      let logits = await this.#prefill();
      let lastPause = now();
      for (;;) {
        signal?.throwIfAborted();
        let since = now();
        const id = sampler.next(logits);
        this.#completionMs += now() - since;
        if (end.has(id)) return;
        this.#completionTokens++;
        yield id;
        if (this.#completionTokens >= maxTokens || this.#certain >= context) {
          this.#finishReason = 'length';
          return;
        }
        signal?.throwIfAborted();
        since = now();
        logits = this.#after(id, maxTokens - this.#completionTokens);
        const at = now();
        this.#completionMs += at - since;
        if (at > since && at - lastPause < 16) continue;
        await pause();
        lastPause = now();
      }
    } finally {
      this.#sequence.drop(this.#certain);
      this.#sequence.release();
    }
  }

  /**
   * Logits after `id`, the token chosen: the last pass has them if it guessed the token, else a new one runs it and guesses of at most `left` tokens.
   * The sampler sees the same rows in the same order as without guesses, so text and draws are the same; and so is the cache, once guesses that failed
   * are dropped.
   */
  #after(id: number, left: number): Float32Array {
    const { speculator, now } = this.#options;
    const { model } = this.#sequence;
    speculator.push(id);
    if (this.#block[++this.#row] === id) {
      this.#acceptedTokens++;
    } else {
      this.#sequence.drop(this.#certain);
      this.#block = speculator.block(Math.min(left, model.blockRoom(), model.logitRows) - 1);
      this.#row = 0;
      const since = now();
      this.#logits = this.#sequence.forward(this.#block, this.#block.length);
      speculator.record(this.#block.length, now() - since);
      this.#draftedTokens += this.#block.length - 1;
    }
    this.#certain++;
    return this.#logits[this.#row]!;
  }

  #checkPrompt(context: number): void {
    if (this.#prompt.length === 0) throw new TetradError('empty_prompt', 'Cannot generate: the prompt has no tokens, needed is one or more');
    if (this.#prompt.length > context) {
      throw new TetradError('context_overflow', `Cannot generate: the prompt has ${this.#prompt.length} tokens, the context takes ${context}`);
    }
  }

  /** Runs what the cache lacks of the prompt, in blocks. */
  async #prefill(): Promise<Float32Array> {
    const { signal, now, pause = messagePause } = this.#options;
    const started = now();
    signal?.throwIfAborted();
    this.#certain = this.#cachedTokens = this.#sequence.rewind(this.#prompt);
    for (let at = this.#cachedTokens; ; ) {
      const to = Math.min(this.#prompt.length, at + this.#sequence.model.blockRoom());
      const logits = this.#sequence.forward(this.#prompt.slice(at, to), 1);
      this.#certain = at = to;
      this.#promptMs = now() - started;
      if (at === this.#prompt.length) return logits[0]!;
      await pause();
      signal?.throwIfAborted();
    }
  }
}
