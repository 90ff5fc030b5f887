import { TetradError } from '../core/errors.ts';
import type { Evaluator } from './evaluator.ts';
import { distribution, read } from './softmax.ts';
import type { Distribution } from './softmax.ts';
import { mean, perplexityOf, splitWindows, walkWindow } from './windows.ts';
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
}

export interface Comparison {
  readonly basePerplexity: number;
  readonly candidates: readonly Divergence[];
}

export interface CompareOptions extends WindowOptions {
  /** One figure per candidate. */
  readonly onWindow?: ((base: RunningFigure, candidates: readonly Divergence[]) => void) | undefined;
}

/** KL(base || own) = sum p (b - c) - (log sum e^b - log sum e^c) of logits b and c; rounding below zero is cut off. */
function klOf(base: Distribution, b: Float32Array, own: Distribution, c: Float32Array): number {
  let cross = 0;
  for (let i = 0; i < b.length; i++) cross += base.terms[i]! * (b[i]! - c[i]!);
  const kl = cross / base.sum - (base.logSum - own.logSum);
  return kl < 0 ? 0 : kl;
}

/** Runs one window through the base and the candidates in step, so that one block of logits per model is all that is held. */
export async function compareWindow(base: Evaluator, candidates: readonly Evaluator[], tokens: Int32Array, signal?: AbortSignal): Promise<WindowComparison> {
  const count = tokens.length - 1;
  const { vocab } = base;
  const wrong = candidates.find((candidate) => candidate.vocab !== vocab);
  if (wrong) throw new TetradError('invalid_argument', `Cannot compare models: vocabularies of ${vocab} and ${wrong.vocab} tokens, must be equal`);
  const truth = distribution(vocab);
  const own = distribution(vocab);
  const baseNll = new Float64Array(count);
  const figures = candidates.map(() => ({
    nll: new Float64Array(count), kl: new Float64Array(count), sameTop: new Uint8Array(count), change: new Float64Array(count),
  }));
  for await (const { from, block } of walkWindow([base, ...candidates], tokens, signal)) {
    const reference = base.forward(block);
    const outputs = candidates.map((candidate) => candidate.forward(block));
    reference.forEach((expected, t) => {
      const at = from + t;
      const target = tokens[at + 1]!;
      read(truth, expected);
      baseNll[at] = truth.logSum - expected[target]!;
      outputs.forEach((rows, c) => {
        const logits = rows[t]!;
        const figure = figures[c]!;
        read(own, logits);
        figure.nll[at] = own.logSum - logits[target]!;
        figure.kl[at] = klOf(truth, expected, own, logits);
        figure.sameTop[at] = own.top === truth.top ? 1 : 0;
        figure.change[at] = own.terms[target]! / own.sum - truth.terms[target]! / truth.sum;
      });
    });
  }
  return { baseNll, candidates: figures };
}

/** Value below which the given share of the sorted values lies, interpolated between neighbours. */
function quantile(sorted: Float64Array, share: number): number {
  const place = share * (sorted.length - 1);
  const low = Math.floor(place);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low]! + (place - low) * (sorted[high]! - sorted[low]!);
}

const joined = (parts: readonly ArrayLike<number>[]): Float64Array => Float64Array.from(parts.flatMap((part) => Array.from(part)));

/** One candidate's figures over all windows; equal lengths of the windows are assumed, as `splitWindows` gives them. */
export function summarise(baseNll: readonly Float64Array[], windows: readonly TokenFigures[]): Divergence {
  const kl = joined(windows.map((w) => w.kl)).sort();
  const perplexity = perplexityOf(windows.map((w) => mean(w.nll)));
  return {
    perplexity,
    ratio: perplexity / perplexityOf(baseNll.map(mean)),
    meanKl: mean(kl),
    medianKl: quantile(kl, 0.5),
    kl999: quantile(kl, 0.999),
    maxKl: kl[kl.length - 1]!,
    sameTop: mean(joined(windows.map((w) => w.sameTop))),
    rmsChange: Math.sqrt(mean(joined(windows.map((w) => w.change.map((x) => x * x))))),
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
  const done: WindowComparison[] = [];
  for (const tokens of windows) {
    done.push(await compareWindow(base, candidates, tokens, options.signal));
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
