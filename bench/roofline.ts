import type { Isa } from '../src/kernels/manifest.ts';
import type { Limits } from './probe.ts';
import { percent } from './result.ts';
import { median } from './timing.ts';

/** One kernel at one shape on one path. */
export interface KernelFigure {
  readonly op: string;
  readonly label: string;
  readonly site: string;
  readonly tokens: number;
  readonly path: Isa;
  /** Multiply-accumulates and bytes from memory of one call. */
  readonly macs: number;
  readonly bytes: number;
  /** Milliseconds of one call, a value per round. */
  readonly ms: readonly number[];
}

/** 1e9 multiply-accumulates per second that the row's own instruction can do. */
export const peakOf = ({ op, path }: Pick<KernelFigure, 'op' | 'path'>, limits: Limits): number => limits.dot[op === 'gemmF32' ? 'f32' : path];

/** Milliseconds that the two limits allow one call on one thread: the longer of computing and of reading. */
export const boundMs = (row: KernelFigure, limits: Limits): number =>
  Math.max(row.macs / peakOf(row, limits), row.bytes / limits.stream[0]) / 1e6;

/** Share of the roofline, a value per round. */
export const shares = (row: KernelFigure, limits: Limits): number[] => row.ms.map((ms) => boundMs(row, limits) / ms);

export const keyOf = ({ op, label, site, tokens, path }: KernelFigure): string => [op, label, site, tokens, path].join(' | ');

export const KERNEL_TITLES = ['op', 'formats', 'site', '>tokens', 'path', '>µs', '>GMAC/s', '>of dot peak', '>GB/s', '>of stream', '>of roofline'] as const;

/** Cells of a row; shares of limits are of the median round. */
export function kernelCells(row: KernelFigure, limits: Limits): string[] {
  const ms = median(row.ms);
  const rate = row.macs / ms / 1e6;
  const traffic = row.bytes / ms / 1e6;
  const [gmacs, ofPeak] = row.macs ? [rate.toFixed(1), percent(rate / peakOf(row, limits))] : ['-', '-'];
  return [
    row.op, row.label, row.site, String(row.tokens), row.path, (ms * 1e3).toFixed(ms < 0.1 ? 2 : 0), gmacs, ofPeak,
    traffic.toFixed(1), percent(traffic / limits.stream[0]), percent(boundMs(row, limits) / ms),
  ];
}
