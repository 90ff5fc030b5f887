const UNITS = ['B', 'KB', 'MB', 'GB', 'TB'];

/** Decimal units with three digits at most: `987 B`, `1.2 GB`, `88 MB`. */
export function bytes(value: number): string {
  let unit = 0;
  let scaled = value;
  while (scaled >= 999.5 && unit < UNITS.length - 1) {
    scaled /= 1000;
    unit++;
  }
  return `${unit === 0 || scaled >= 9.95 ? Math.round(scaled) : scaled.toFixed(1)} ${UNITS[unit]}`;
}

/** `850ms`, `12.3s`, `4m05s`, `2h03m`. */
export function duration(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)}ms`;
  const seconds = ms / 1000;
  if (seconds < 59.95) return `${seconds.toFixed(1)}s`;
  const whole = Math.round(seconds);
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
  return whole < 3600 ? `${Math.floor(whole / 60)}m${two(whole % 60)}s` : `${Math.floor(whole / 3600)}h${two((whole % 3600) / 60)}m`;
}

/** `134.52 M`, `1.24 B`, as llama-bench writes parameters. */
export const parameters = (count: number): string => (count >= 1e9 ? `${(count / 1e9).toFixed(2)} B` : `${(count / 1e6).toFixed(2)} M`);

/** `135M`, `1.2B`: a model's size as its name says it. */
export function modelSize(count: number): string {
  const [scaled, unit] = count >= 1e9 ? [count / 1e9, 'B'] : [count / 1e6, 'M'];
  return `${scaled >= 10 ? Math.round(scaled) : scaled.toFixed(1)}${unit}`;
}

/** `92.36 MiB`, `1.02 GiB`, as llama-bench writes sizes. */
export const binaryBytes = (count: number): string => (count >= 2 ** 30 ? `${(count / 2 ** 30).toFixed(2)} GiB` : `${(count / 2 ** 20).toFixed(2)} MiB`);

/** `name   value` lines with the values in one column. */
export function pairs(rows: readonly (readonly [name: string, value: string])[], indent = '  '): string {
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${indent}${name.padEnd(width + 3)}${value}\n`).join('');
}

export interface Column {
  readonly title: string;
  readonly width: number;
  readonly align: 'left' | 'right';
}

const cell = (text: string, { width, align }: Column): string => (align === 'left' ? text.padEnd(width) : text.padStart(width));
const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`;

/** The first two lines of a Markdown table. */
export function tableHead(columns: readonly Column[]): string {
  const rule = (c: Column): string => (c.align === 'left' ? '-'.repeat(c.width) : `${'-'.repeat(c.width - 1)}:`);
  return line(columns.map((c) => cell(c.title, c))) + line(columns.map(rule));
}

export const tableRow = (columns: readonly Column[], cells: readonly string[]): string => line(columns.map((c, i) => cell(cells[i]!, c)));

/** Rows of text in columns that begin below each other, with four blanks in between. */
export function aligned(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows.map((row) => `${row.map((text, i) => text.padEnd(widths[i]!)).join('    ').trimEnd()}\n`).join('');
}

const AGES: readonly (readonly [seconds: number, unit: string])[] = [[604800, 'week'], [86400, 'day'], [3600, 'hour'], [60, 'minute'], [1, 'second']];

/** `2 weeks ago`, `1 hour ago`, `now`: in the largest unit that fits. */
export function age(ms: number): string {
  for (const [seconds, unit] of AGES) {
    const count = Math.floor(ms / 1000 / seconds);
    if (count >= 1) return `${count} ${unit}${count === 1 ? '' : 's'} ago`;
  }
  return 'now';
}
