import { TetradError } from '../core/errors.ts';
import { exp } from '../core/math.ts';
import { pause } from '../core/pause.ts';
import type { Evaluator } from './evaluator.ts';
import { mean } from './statistics.ts';

/** Which part of a text is evaluated: windows [0, windows) of `context` tokens each. */
export interface WindowOptions {
  /** Tokens per window; default: the model's context. */
  readonly context?: number | undefined;
  /** At most this many windows. */
  readonly windows?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Perplexity after some of the windows. */
export interface RunningFigure {
  readonly window: number;
  readonly windows: number;
  /** exp of the mean of the window means so far. */
  readonly perplexity: number;
}

/**
 * Non-overlapping windows of the ids, the tail dropped (the convention of GPTQ and of most quantisation papers: the text tokenised once as one
 * string, each window run from position 0). Throws `invalid_argument` if there is not one whole window or an id is outside the vocabulary.
 */
export function splitWindows(ids: ArrayLike<number>, models: readonly Pick<Evaluator, 'context' | 'vocab'>[], options: WindowOptions): Int32Array[] {
  const limit = Math.min(...models.map((model) => model.context));
  const vocab = Math.min(...models.map((model) => model.vocab));
  const context = options.context ?? limit;
  if (!(context >= 2 && context <= limit)) throw new TetradError('invalid_argument', `Cannot evaluate: the window is ${context} tokens, must be 2 to ${limit}`);
  const count = Math.min(Math.floor(ids.length / context), options.windows ?? Infinity);
  if (!(count >= 1)) {
    throw new TetradError('invalid_argument', `Cannot evaluate: the text gives ${ids.length} tokens, one window needs ${context}`);
  }
  const used = Int32Array.from({ length: count * context }, (_, i) => ids[i]!);
  const outside = used.find((id) => id < 0 || id >= vocab);
  if (outside !== undefined) throw new TetradError('invalid_argument', `Cannot evaluate: token ${outside} found, ids must be below ${vocab}`);
  return Array.from({ length: count }, (_, w) => used.subarray(w * context, (w + 1) * context));
}

/**
 * Resets the models and walks all tokens of a window but the last, in blocks that every model takes. Between blocks the event loop gets a turn, so
 * that an abort can arrive.
 */
export async function* walkWindow(
  models: readonly Pick<Evaluator, 'block' | 'reset'>[], tokens: Int32Array, signal?: AbortSignal,
): AsyncGenerator<{ from: number; block: Int32Array }> {
  const size = Math.min(...models.map((model) => model.block));
  for (const model of models) model.reset();
  for (let from = 0; from < tokens.length - 1; from += size) {
    await pause();
    signal?.throwIfAborted();
    yield { from, block: tokens.subarray(from, Math.min(from + size, tokens.length - 1)) };
  }
}

/** exp of the mean of window means. */
export const perplexityOf = (windowMeans: ArrayLike<number>): number => exp(mean(windowMeans));
