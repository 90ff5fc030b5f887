import type { Divergence } from '../../evaluate/divergence.ts';
import { errorOfMean } from '../../evaluate/statistics.ts';

/** `[3]6.1234,`: llama-perplexity's running figure. */
export const runningFigure = (window: number, perplexity: number): string => `[${window}]${perplexity.toFixed(4)},`;

/** Standard error of a perplexity from the mean negative log-likelihoods of its windows (delta method); 0 for one window. */
export const standardError = (perplexity: number, windows: readonly number[]): number => perplexity * errorOfMean(windows);

export const finalEstimate = (perplexity: number, error: number): string => `Final estimate: PPL = ${perplexity.toFixed(4)} +/- ${error.toFixed(5)}\n`;

/** The blocks of llama-perplexity's `--kl-divergence`, as far as the figures go; with standard errors where asked for. */
export function divergenceReport(basePerplexity: number, d: Divergence, withErrors = false): string {
  const { errors } = d;
  const after = (error: string): string => (withErrors ? ` ± ${error}` : '');
  const six = (value: number, error?: number): string => value.toFixed(6).padStart(10) + (error === undefined ? '' : after(error.toFixed(6)));
  const percent = (value: number, error: number): string => `${(value * 100).toFixed(3).padStart(7)}${after((error * 100).toFixed(3))} %`;
  return [
    '====== Perplexity statistics ======',
    `Mean PPL(Q)                   : ${six(d.perplexity, errors.perplexity)}`,
    `Mean PPL(base)                : ${six(basePerplexity, errors.basePerplexity)}`,
    `Mean PPL(Q)/PPL(base)         : ${six(d.ratio, errors.ratio)}`,
    '',
    '====== KL divergence statistics ======',
    `Mean    KLD: ${six(d.meanKl, errors.meanKl)}`,
    `Maximum KLD: ${six(d.maxKl)}`,
    `99.9%   KLD: ${six(d.kl999)}`,
    `Median  KLD: ${six(d.medianKl)}`,
    '',
    '====== Token probability statistics ======',
    `RMS Δp    : ${percent(d.rmsChange, errors.rmsChange)}`,
    `Same top p: ${percent(d.sameTop, errors.sameTop)}`,
    '',
  ].join('\n');
}
