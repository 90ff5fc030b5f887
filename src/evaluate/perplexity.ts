import type { Evaluator } from './evaluator.ts';
import { distribution, read } from './softmax.ts';
import { mean } from './statistics.ts';
import { perplexityOf, splitWindows, walkWindow } from './windows.ts';
import type { RunningFigure, WindowOptions } from './windows.ts';

export interface PerplexityOptions extends WindowOptions {
  readonly onWindow?: ((figure: RunningFigure) => void) | undefined;
}

export interface Perplexity {
  readonly perplexity: number;
  /** Mean negative log-likelihood of each window, in nats. */
  readonly windows: readonly number[];
  /** Tokens per window. */
  readonly context: number;
}

/** Negative log-likelihoods of tokens[1..], each given the tokens before it: [tokens.length - 1] nats. */
export async function windowNll(model: Evaluator, tokens: Int32Array, signal?: AbortSignal): Promise<Float64Array> {
  const nll = new Float64Array(tokens.length - 1);
  const own = distribution(model.vocab);
  for await (const { from, block } of walkWindow([model], tokens, signal)) {
    model.forward(block).forEach((logits, t) => {
      read(own, logits);
      nll[from + t] = own.logSum - logits[tokens[from + t + 1]!]!;
    });
  }
  return nll;
}

/**
 * Perplexity of token ids in the GPTQ convention: non-overlapping windows, each from position 0, logits[:-1] against ids[1:],
 * exp of the mean of the window means. Log-likelihoods in f64 from f32 logits.
 *
 * @throws `invalid_argument` where the ids do not fill one window or do not fit the model; the signal's reason on abort.
 */
export async function perplexity(model: Evaluator, ids: ArrayLike<number>, options: PerplexityOptions = {}): Promise<Perplexity> {
  const windows = splitWindows(ids, [model], options);
  const means: number[] = [];
  for (const tokens of windows) {
    means.push(mean(await windowNll(model, tokens, options.signal)));
    options.onWindow?.({ window: means.length, windows: windows.length, perplexity: perplexityOf(means) });
  }
  return { perplexity: perplexityOf(means), windows: means, context: windows[0]!.length };
}
