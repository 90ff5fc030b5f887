import { keyOf, shares, type KernelFigure } from './roofline.ts';
import { modelKey, modelShares, type ModelFigure } from './figure.ts';
import { markdown, percent, type Machine, type Result } from './result.ts';
import { median, sigma } from './timing.ts';

/** What is kept of a row: its share of the roofline, which outlives a change of clock rate, and how much that varied. */
export interface Kept {
  readonly share: number;
  readonly sigma: number;
  readonly samples: number;
}

export interface Baseline {
  readonly machine: Machine;
  readonly rows: Readonly<Record<string, Kept>>;
}

type AnyResult = Result<KernelFigure> | Result<ModelFigure>;

/** Shares of the roofline by row, pooled over results; rows without a limit are left out. */
export function pooledShares(results: readonly AnyResult[]): Map<string, number[]> {
  const pool = new Map<string, number[]>();
  for (const { bench, limits, rows } of results) {
    if (!limits) continue;
    for (const row of rows) {
      const [key, values] = 'op' in row ? [keyOf(row), shares(row, limits)] : [modelKey(row), modelShares(row, limits)];
      if (values.length > 0) pool.set(`${bench} | ${key}`, [...(pool.get(`${bench} | ${key}`) ?? []), ...values]);
    }
  }
  return pool;
}

export const summary = (values: readonly number[]): Kept => ({
  share: Number(median(values).toFixed(4)), sigma: Number(sigma(values).toFixed(5)), samples: values.length,
});

export function baselineOf(results: readonly AnyResult[]): Baseline {
  return { machine: results[0]!.machine, rows: Object.fromEntries([...pooledShares(results)].map(([key, values]) => [key, summary(values)])) };
}

/** No machine here repeats a figure more closely than this. */
const LEAST_BAND = 0.05;
const SIGMAS = 3;

/** By what part of `kept` a new median may differ without meaning anything: three standard deviations of both samples, 5 % at least. */
export const band = (kept: Kept, now: Kept): number => Math.max(LEAST_BAND, (SIGMAS * Math.sqrt(kept.sigma ** 2 + now.sigma ** 2)) / kept.share);

export interface Verdict {
  readonly key: string;
  readonly kept: number;
  readonly now: number;
  readonly band: number;
  readonly change: number;
  readonly verdict: 'worse' | 'better' | 'same';
}

/** Rows that both have, the worst change first. */
export function compare(baseline: Baseline, results: readonly AnyResult[]): Verdict[] {
  const verdicts: Verdict[] = [];
  for (const [key, values] of pooledShares(results)) {
    const kept = baseline.rows[key];
    if (!kept) continue;
    const now = summary(values);
    const [width, change] = [band(kept, now), now.share / kept.share - 1];
    verdicts.push({ key, kept: kept.share, now: now.share, band: width, change, verdict: change < -width ? 'worse' : change > width ? 'better' : 'same' });
  }
  return verdicts.sort((a, b) => a.change - b.change);
}

const signed = (share: number): string => `${share < 0 ? '' : '+'}${(share * 100).toFixed(1)} %`;

/** A line of totals, then the rows that changed. */
export function report(verdicts: readonly Verdict[]): string {
  const count = (verdict: Verdict['verdict']): number => verdicts.filter((v) => v.verdict === verdict).length;
  const head = `${verdicts.length} rows compared: ${count('worse')} worse, ${count('better')} better, ${count('same')} within their noise\n`;
  const changed = verdicts.filter(({ verdict }) => verdict !== 'same');
  if (changed.length === 0) return head;
  const cells = changed.map((v) => [v.key.replaceAll(' | ', ', '), v.verdict, percent(v.kept), percent(v.now), signed(v.change), `${(v.band * 100).toFixed(1)} %`]);
  return `${head}\n${markdown(['row', 'verdict', '>kept, of roofline', '>now', '>change', '>noise band'], cells)}`;
}
