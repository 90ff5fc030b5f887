import { TetradError } from '../core/errors.ts';
import { liveBase, type Base } from './base.ts';
import type { Evaluator } from './evaluator.ts';
import { distribution, read } from './softmax.ts';
import { errorOfMean, joined, mean, quantile } from './statistics.ts';
import { perplexityOf, splitWindows, walkWindow } from './windows.ts';
import type { RunningFigure, WindowOptions } from './windows.ts';

/** One candidate's figures for each predicted token of a window. */
export interface TokenFigures {
  /** Negative log-likelihood, nats. */
  readonly nll: Float64Array;
  /** KL(base || candidate), nats. */
  readonly kl: Float64Array;
  /** 1 where both have the same most likely token. */
  readonly sameTop: Uint8Array;
  /** The candidate's probability of the text's token less the base's. */
  readonly change: Float64Array;
}

export interface WindowComparison {
  readonly baseNll: Float64Array;
  readonly candidates: readonly TokenFigures[];
}

/** The figures of llama.cpp's `llama-perplexity --kl-divergence`, over every predicted token. */
export interface Divergence {
  readonly perplexity: number;
  /** Perplexity over the base's. */
  readonly ratio: number;
  readonly meanKl: number;
  readonly medianKl: number;
  /** 99.9 % of the tokens diverge less. */
  readonly kl999: number;
  readonly maxKl: number;
  /** Share of tokens whose most likely token is the base's. */
  readonly sameTop: number;
  /** Root mean square of the change in the text token's probability. */
  readonly rmsChange: number;
  /** Standard errors, as if the tokens were independent; that of the ratio from the tokens' differences of log-likelihood. */
  readonly errors: {
    readonly perplexity: number;
    readonly basePerplexity: number;
    readonly ratio: number;
    readonly meanKl: number;
    readonly sameTop: number;
    readonly rmsChange: number;
  };
}

export interface Comparison {
  readonly basePerplexity: number;
  readonly candidates: readonly Divergence[];
}

export interface CompareOptions extends WindowOptions {
  /** One figure per candidate. */
  readonly onWindow?: ((base: RunningFigure, candidates: readonly Divergence[]) => void) | undefined;
}

export const emptyFigures = (count: number): TokenFigures => ({
  nll: new Float64Array(count), kl: new Float64Array(count), sameTop: new Uint8Array(count), change: new Float64Array(count),
});

/** What the base's own figures are. */
export const baseFigures = (nll: Float64Array): TokenFigures => ({ ...emptyFigures(nll.length), nll, sameTop: new Uint8Array(nll.length).fill(1) });

/** Runs window number `window` through the base and the candidates in step, so that one block of logits per model is all that is held. */
export async function compareWindow(
  base: Base, candidates: readonly Evaluator[], window: number, tokens: Int32Array, signal?: AbortSignal,
): Promise<WindowComparison> {
  const count = tokens.length - 1;
  const { vocab } = base;
  const wrong = candidates.find((candidate) => candidate.vocab !== vocab);
  if (wrong) throw new TetradError('invalid_argument', `Cannot compare models: vocabularies of ${vocab} and ${wrong.vocab} tokens, must be equal`);
  const own = distribution(vocab);
  const baseNll = new Float64Array(count);
  const figures = candidates.map(() => emptyFigures(count));
  const walked = { block: base.block, reset: () => base.start(window) };
  for await (const { from, block } of walkWindow([walked, ...candidates], tokens, signal)) {
    const row = await base.forward(block, tokens.subarray(from + 1, from + 1 + block.length));
    const outputs = candidates.map((candidate) => candidate.forward(block));
    for (let t = 0; t < block.length; t++) {
      const at = from + t;
      const target = tokens[at + 1]!;
      const expected = row(t);
      baseNll[at] = expected.nll;
      outputs.forEach((rows, c) => {
        const logits = rows[t]!;
        const figure = figures[c]!;
        read(own, logits);
        figure.nll[at] = own.logSum - logits[target]!;
        figure.kl[at] = expected.kl(own, logits);
        figure.sameTop[at] = own.top === expected.top ? 1 : 0;
        figure.change[at] = own.terms[target]! / own.sum - expected.probability;
      });
    }
  }
  return { baseNll, candidates: figures };
}

/** One candidate's figures over all windows; equal lengths of the windows are assumed, as `splitWindows` gives them. */
export function summarise(baseNll: readonly Float64Array[], windows: readonly TokenFigures[]): Divergence {
  const kl = joined(windows.map((w) => w.kl)).sort();
  const nll = joined(windows.map((w) => w.nll));
  const base = joined(baseNll);
  const sameTop = joined(windows.map((w) => w.sameTop));
  const squares = joined(windows.map((w) => w.change)).map((x) => x * x);
  const perplexity = perplexityOf(windows.map((w) => mean(w.nll)));
  const basePerplexity = perplexityOf(baseNll.map(mean));
  const ratio = perplexity / basePerplexity;
  const rmsChange = Math.sqrt(mean(squares));
  return {
    perplexity,
    ratio,
    meanKl: mean(kl),
    medianKl: quantile(kl, 0.5),
    kl999: quantile(kl, 0.999),
    maxKl: kl[kl.length - 1]!,
    sameTop: mean(sameTop),
    rmsChange,
    errors: {
      perplexity: perplexity * errorOfMean(nll),
      basePerplexity: basePerplexity * errorOfMean(base),
      ratio: ratio * errorOfMean(nll.map((x, i) => x - base[i]!)),
      meanKl: errorOfMean(kl),
      sameTop: errorOfMean(sameTop),
      rmsChange: rmsChange > 0 ? errorOfMean(squares) / (2 * rmsChange) : 0,
    },
  };
}

/**
 * Several candidates against one run of the base on the same windows.
 *
 * @throws `invalid_argument` where vocabularies differ or the ids do not fill one window; the signal's reason on abort.
 */
export async function compare(
  base: Evaluator, candidates: readonly Evaluator[], ids: ArrayLike<number>, options: CompareOptions = {},
): Promise<Comparison> {
  const windows = splitWindows(ids, [base, ...candidates], options);
  const source = liveBase(base);
  const done: WindowComparison[] = [];
  for (const tokens of windows) {
    done.push(await compareWindow(source, candidates, done.length, tokens, options.signal));
    if (!options.onWindow) continue;
    const { basePerplexity, candidates: figures } = summariseAll(done, candidates.length);
    options.onWindow({ window: done.length, windows: windows.length, perplexity: basePerplexity }, figures);
  }
  return summariseAll(done, candidates.length);
}

function summariseAll(windows: readonly WindowComparison[], candidates: number): Comparison {
  const baseNll = windows.map((w) => w.baseNll);
  return {
    basePerplexity: perplexityOf(baseNll.map(mean)),
    candidates: Array.from({ length: candidates }, (_, c) => summarise(baseNll, windows.map((w) => w.candidates[c]!))),
  };
}
