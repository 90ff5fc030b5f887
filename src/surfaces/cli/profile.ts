import type { Call, Profiler } from '../../backends/profile.ts';
import { benchTokens, blockSizes, type BenchModel } from './bench-run.ts';
import { tableHead, tableRow, type Column } from './format.ts';

/** One line of the table: an op, at one site where the order of calls tells it. */
export interface ProfileRow {
  readonly op: string;
  readonly site: string;
  readonly calls: number;
  readonly ms: number;
}

export interface Profile {
  /** Tokens of the block, and those before it. */
  readonly tokens: number;
  readonly depth: number;
  /** Milliseconds of the whole forward pass. */
  readonly wall_ms: number;
  /** Milliseconds that the timers themselves added. */
  readonly timer_ms: number;
  /** In order of first use; what no kernel took comes last. */
  readonly rows: readonly ProfileRow[];
}

const PRODUCER = /Quant|rmsnorm/;

/** A multiplication's site, from the producer before it and the op after it; with threads it may be several calls, as parts are claimed. */
function siteOf(calls: readonly Call[], index: number): string {
  const multiplies = (at: number): boolean => calls[at]?.[0].startsWith('gemm') === true;
  if (!multiplies(index)) return '-';
  let producer = index;
  while (producer > 0 && !PRODUCER.test(calls[producer]![0])) producer--;
  const before = calls[producer]![0];
  if (before.startsWith('silu')) return 'mlp.down';
  if (!before.startsWith('rmsnorm')) return 'attn.o';
  let next = index;
  while (multiplies(next)) next++;
  const after = calls[next]?.[0];
  return after === undefined ? 'output' : after.startsWith('silu') ? 'mlp.gate_up' : 'attn.qkv';
}

/** Sums calls by op and site; the last row is the time between kernels, waiting for other threads included and timers left out. */
export function profileRows(calls: readonly Call[], wallMs: number, timerMs: number): ProfileRow[] {
  const rows = new Map<string, { op: string; site: string; calls: number; ms: number }>();
  let kernels = 0;
  calls.forEach(([op, ms], i) => {
    const site = siteOf(calls, i);
    const row = rows.get(`${op} ${site}`) ?? { op, site, calls: 0, ms: 0 };
    row.calls++;
    row.ms += ms;
    kernels += ms;
    rows.set(`${op} ${site}`, row);
  });
  return [...rows.values(), { op: 'between kernels', site: '-', calls: 0, ms: Math.max(0, wallMs - kernels - timerMs) }];
}

/** Profiles a block of `tokens` after `depth` tokens: the quickest of several runs, after one to warm up. */
export function profileBlock(model: BenchModel, profiler: Profiler, tokens: number, depth: number, repetitions: number, now: () => number): Profile {
  let best: { readonly calls: Call[]; readonly wall: number; readonly size: number } | null = null;
  for (let run = 0; run <= repetitions; run++) {
    model.truncate(0); // filled anew, so that the block closes the page before it as in a real text
    for (const size of blockSizes(model, depth)) model.forward(benchTokens(model.vocab, size));
    const block = benchTokens(model.vocab, Math.min(tokens, model.blockRoom()));
    profiler.take();
    const start = now();
    model.forward(block);
    const wall = now() - start;
    const calls = profiler.take();
    if (run > 0 && (best === null || wall < best.wall)) best = { calls, wall, size: block.length };
  }
  const { calls, wall, size } = best!;
  const timer = calls.length * profiler.overhead();
  return { tokens: size, depth, wall_ms: wall, timer_ms: timer, rows: profileRows(calls, wall, timer) };
}

const COLUMNS: readonly Column[] = [
  { title: 'op', width: 16, align: 'left' },
  { title: 'site', width: 12, align: 'left' },
  { title: 'calls', width: 6, align: 'right' },
  { title: 'ms', width: 9, align: 'right' },
  { title: 'share', width: 7, align: 'right' },
];

export function profileTable({ tokens, depth, wall_ms, timer_ms, rows }: Profile): string {
  const title = `${tokens} token${tokens === 1 ? '' : 's'} at depth ${depth}: ${wall_ms.toFixed(2)} ms, of which timers ${timer_ms.toFixed(2)} ms\n\n`;
  const total = rows.reduce((sum, row) => sum + row.ms, 0);
  const line = ({ op, site, calls, ms }: ProfileRow): string =>
    tableRow(COLUMNS, [op, site, calls ? String(calls) : '-', ms.toFixed(3), `${((ms * 100) / total).toFixed(1)} %`]);
  return `${title}${tableHead(COLUMNS)}${rows.map(line).join('')}\n`;
}
