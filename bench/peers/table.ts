import { markdown } from '../result.ts';
import { median } from '../timing.ts';
import { METRICS, type Figures, type Metric } from './contests.ts';

/** One metric of ours and a contender's, taken in turns: `ours[i]` ran just before `theirs[i]`. */
export interface PeerRow {
  readonly test: string;
  readonly metric: Metric;
  readonly threads: number;
  readonly contender: string;
  /** Empty where ours did not run in every round. */
  readonly ours: readonly number[];
  readonly theirs: readonly number[];
  /** Threads that ours ran on, where fewer than asked for. */
  readonly ourThreads: number;
  /** Most of the machine that other processes used during a run, in percent; 0 where it isn't known. */
  readonly foreign: number;
}

/** The pairs of a contender's rounds as one row per metric that its runs gave. */
export function rowsOf(test: string, threads: number, contender: string, pairs: readonly (readonly [ours: Figures | null, theirs: Figures])[]): PeerRow[] {
  const metrics = (Object.keys(METRICS) as Metric[]).filter((metric) => pairs.some(([, theirs]) => theirs[metric] !== undefined));
  const paired = pairs.every(([ours]) => ours !== null);
  const values = (figures: readonly (Figures | null)[], metric: Metric): number[] => figures.flatMap((f) => f?.[metric] ?? []);
  return metrics.map((metric) => ({
    test, metric, threads, contender,
    ours: paired ? values(pairs.map(([ours]) => ours), metric) : [], theirs: values(pairs.map(([, theirs]) => theirs), metric),
    ourThreads: Math.min(threads, ...pairs.map(([ours]) => ours?.threads ?? threads)),
    foreign: Math.max(...pairs.map(([, theirs]) => theirs.foreign ?? 0)),
  }));
}

/** How many times better ours is, a value per pair. */
export const ratios = ({ metric, ours, theirs }: PeerRow): number[] => ours.map((own, i) => (METRICS[metric].more ? own / theirs[i]! : theirs[i]! / own));

const UNITS = { 'tok/s': (x: number) => x.toFixed(1), ms: (x: number) => x.toFixed(0), bytes: (x: number) => `${(x / 2 ** 20).toFixed(0)} MiB` } as const;

function spread(values: readonly number[], show: (value: number) => string): string {
  if (values.length === 0) return '-';
  return values.length === 1 ? show(values[0]!) : `${show(median(values))} (${show(Math.min(...values))}-${show(Math.max(...values))})`;
}

const TITLES = ['test', '>threads', 'contender', '>theirs', '>ours', '>ours is better by', '>others on the CPU'] as const;

export function peerTable(rows: readonly PeerRow[]): string {
  return markdown(TITLES, rows.map((row) => {
    const { unit } = METRICS[row.metric];
    const ours = `${spread(row.ours, UNITS[unit])}${row.ourThreads < row.threads ? ` on ${row.ourThreads} thread` : ''}`;
    const name = `${row.test}: ${row.metric}${unit === 'tok/s' ? ', tok/s' : unit === 'ms' ? ', ms' : ''}`;
    return [name, String(row.threads), row.contender, spread(row.theirs, UNITS[unit]), ours, spread(ratios(row), (x) => `${x.toFixed(2)}x`), `${row.foreign.toFixed(0)} %`];
  }));
}
