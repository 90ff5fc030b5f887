import type { Isa } from '../src/kernels/manifest.ts';
import type { Limits } from './probe.ts';
import { percent } from './result.ts';
import { median } from './timing.ts';

/** One figure of a whole model: a speed with the work of a token, or a plain fact, for which `macs` and `bytes` are 0. */
export interface ModelFigure {
  readonly name: string;
  readonly threads: number;
  readonly unit: 'tok/s' | 'ms' | 'bytes' | 'bytes/token';
  readonly samples: readonly number[];
  readonly path: Isa;
  /** Multiply-accumulates of the linear layers per token, and bytes of weights read per token. */
  readonly macs: number;
  readonly bytes: number;
}

/** Tokens per second that the machine's limits allow the linear layers on as many threads. */
export function boundRate({ path, threads, macs, bytes }: ModelFigure, { dot, stream }: Limits): number {
  const seconds = Math.max(macs / (dot[path] * threads), bytes / stream[threads === 1 ? 0 : 1]) / 1e9;
  return 1 / seconds;
}

export const modelKey = ({ name, threads, path }: ModelFigure): string => [name, `${threads} threads`, path].join(' | ');

/** Shares of the roofline, a value per sample; none for facts. */
export const modelShares = (row: ModelFigure, limits: Limits): number[] => (row.macs ? row.samples.map((rate) => rate / boundRate(row, limits)) : []);

export const MODEL_TITLES = ['test', '>threads', '>median', '>range', 'unit', '>linear GMAC/s', '>of dot peak', '>weights GB/s', '>of stream', '>of roofline'] as const;

const shown = (value: number): string => value.toFixed(value < 1000 ? 1 : 0);

export function modelCells(row: ModelFigure, limits: Limits): string[] {
  const { name, threads, unit, samples, path, macs, bytes } = row;
  const middle = median(samples);
  const head = [name, String(threads), shown(middle), `${shown(Math.min(...samples))}-${shown(Math.max(...samples))}`, unit];
  if (!macs) return [...head, '-', '-', '-', '-', '-'];
  const [rate, traffic] = [(middle * macs) / 1e9, (middle * bytes) / 1e9];
  const stream = limits.stream[threads === 1 ? 0 : 1];
  return [...head, rate.toFixed(1), percent(rate / (limits.dot[path] * threads)), traffic.toFixed(2), percent(traffic / stream), percent(middle / boundRate(row, limits))];
}
