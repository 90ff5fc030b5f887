import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname } from 'node:path';
import type { Limits } from './probe.ts';

/** Where and when figures were taken. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly os: string;
  readonly node: string;
  /** ISO 8601. */
  readonly date: string;
}

/** What every bench writes with `--json`; rows hold samples, never summaries, so that any table can be drawn from the file. */
export interface Result<Row> {
  readonly bench: string;
  readonly machine: Machine;
  readonly limits: Limits | null;
  readonly rows: readonly Row[];
}

export function thisMachine(): Machine {
  const [first, ...others] = cpus();
  return {
    cpu: first?.model.trim() ?? 'unknown', cores: others.length + 1, os: `${process.platform} ${process.arch}`,
    node: process.versions.node, date: new Date().toISOString(),
  };
}

/** `amd-epyc-x2`: the name of a machine's baseline file. */
export const machineName = ({ cpu, cores }: Pick<Machine, 'cpu' | 'cores'>): string =>
  `${cpu.toLowerCase().replace(/\((?:r|tm)\)|\bcpu\b|@.*$/g, '').replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '')}-x${cores}`;

export const readResult = <Row>(file: string): Result<Row> => JSON.parse(readFileSync(file, 'utf8')) as Result<Row>;

/** One row a line, so that a change of one figure is a change of one line. */
export function writeResult<Row>(file: string, result: Result<Row>): void {
  const { rows, ...head } = result;
  const lines = rows.map((row) => `    ${JSON.stringify(row)}`);
  writeText(file, `${JSON.stringify(head, null, 2).slice(0, -2)},\n  "rows": [\n${lines.join(',\n')}\n  ]\n}\n`);
}

export function writeText(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

/** `node 24.21.0, AMD EPYC x 2; stream 24.4 GB/s (2 threads 31.2); dot peak simd128 41.0 ... GMAC/s`. */
export function headLine({ machine, limits }: Pick<Result<unknown>, 'machine' | 'limits'>): string {
  const dot = limits && Object.entries(limits.dot).map(([name, rate]) => `${name} ${rate.toFixed(1)}`).join(', ');
  const where = `Node ${machine.node}, ${machine.cpu} x ${machine.cores}, ${machine.date.slice(0, 10)}`;
  return limits ? `${where}; stream ${limits.stream[0].toFixed(1)} GB/s (2 threads ${limits.stream[1].toFixed(1)}); multiply-accumulate peak ${dot} GMAC/s` : where;
}

export const percent = (share: number): string => `${(share * 100).toFixed(0)} %`;

/** A Markdown table; columns whose title starts with `>` are right-aligned. */
export function markdown(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`;
  return line(titles.map((title) => title.replace(/^>/, ''))) + line(titles.map((title) => (title.startsWith('>') ? '---:' : '---'))) + rows.map(line).join('');
}
