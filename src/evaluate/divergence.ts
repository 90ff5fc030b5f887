import { TetradError } from '../core/errors.ts';
import type { Evaluator, Logits } from './evaluator.ts';
import { argmax, expBelow, logSumExp } from './softmax.ts';
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

/** The base's distribution at one position; `p` is refilled for each. */
interface BaseRow {
  readonly p: Float64Array;
  top: number;
  logSum: number;
}

function readBase(row: BaseRow, values: Float32Array, from: number): void {
  row.top = argmax(values, from, row.p.length);
  row.logSum = logSumExp(values, from, row.p.length, values[from + row.top]!);
  for (let i = 0; i < row.p.length; i++) row.p[i] = expBelow(Math.min(0, values[from + i]! - row.logSum));
}

/** KL = sum p (b - c) - (logSumB - logSumC); rounding below zero is cut off. */
function divergenceOf(row: BaseRow, base: Float32Array, baseFrom: number, values: Float32Array, from: number, logSum: number): number {
  let cross = 0;
  for (let i = 0; i < row.p.length; i++) cross += row.p[i]! * (base[baseFrom + i]! - values[from + i]!);
  const kl = cross - (row.logSum - logSum);
  return kl < 0 ? 0 : kl;
}

/** Runs one window through the base and the candidates in step, so that one block of logits per model is all that is held. */
export async function compareWindow(base: Evaluator, candidates: readonly Evaluator[], tokens: Int32Array, signal?: AbortSignal): Promise<WindowComparison> {
  const count = tokens.length - 1;
  const { vocab } = base;
  const wrong = candidates.find((candidate) => candidate.vocab !== vocab);
  if (wrong) throw new TetradError('invalid_argument', `Cannot compare models: vocabularies of ${vocab} and ${wrong.vocab} tokens, must be equal`);
  const row: BaseRow = { p: new Float64Array(vocab), top: 0, logSum: 0 };
  const baseNll = new Float64Array(count);
  const figures = candidates.map(() => ({
    nll: new Float64Array(count), kl: new Float64Array(count), sameTop: new Uint8Array(count), change: new Float64Array(count),
  }));
  for await (const { from, block } of walkWindow([base, ...candidates], tokens, signal)) {
    const reference = await base.forward(block);
    const outputs: Logits[] = [];
    for (const candidate of candidates) outputs.push(await candidate.forward(block));
    for (let t = 0; t < block.length; t++) {
      const at = from + t;
      const target = tokens[at + 1]!;
      const baseFrom = t * reference.stride;
      readBase(row, reference.values, baseFrom);
      baseNll[at] = row.logSum - reference.values[baseFrom + target]!;
      outputs.forEach(({ values, stride }, c) => {
        const start = t * stride;
        const top = argmax(values, start, vocab);
        const logSum = logSumExp(values, start, vocab, values[start + top]!);
        const own = figures[c]!;
        own.nll[at] = logSum - values[start + target]!;
        own.kl[at] = divergenceOf(row, reference.values, baseFrom, values, start, logSum);
        own.sameTop[at] = top === row.top ? 1 : 0;
        own.change[at] = expBelow(Math.min(0, -own.nll[at]!)) - row.p[target]!;
      });
    }
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
