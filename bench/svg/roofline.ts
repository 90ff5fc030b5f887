import type { Result } from '../result.ts';
import { boundMs, type KernelFigure } from '../roofline.ts';
import { median } from '../timing.ts';
import { element, escape, line, picture, text } from '../../src/surfaces/charts/svg.ts';

const [WIDTH, HEIGHT] = [760, 460];
const AREA = { left: 56, right: 730, top: 62, bottom: 408 };
const X = [0.25, 256] as const;
const Y = [1, 256] as const;

const log = (value: number, [from, to]: readonly [number, number]): number => Math.log(Math.min(to, Math.max(from, value)) / from) / Math.log(to / from);
const px = (intensity: number): number => AREA.left + log(intensity, X) * (AREA.right - AREA.left);
const py = (rate: number): number => AREA.bottom - log(rate, Y) * (AREA.bottom - AREA.top);

function grid(): string[] {
  const powers = ([from, to]: readonly [number, number]): number[] => Array.from({ length: Math.log2(to / from) + 1 }, (_, i) => from * 2 ** i);
  return [
    ...powers(X).flatMap((x) => [line(px(x), AREA.top, px(x), AREA.bottom, { class: 'grid' }), text(px(x), AREA.bottom + 16, String(x), { class: 'dim middle' })]),
    ...powers(Y).flatMap((y) => [line(AREA.left, py(y), AREA.right, py(y), { class: 'grid' }), text(AREA.left - 6, py(y) + 4, String(y), { class: 'dim end' })]),
    text((AREA.left + AREA.right) / 2, HEIGHT - 16, 'multiply-accumulates per byte of weights', { class: 'middle' }),
    text(AREA.left, AREA.top - 10, '1e9 multiply-accumulates per second, one thread'),
  ];
}

/** GEMM rows as points under the roof that reading and each path's dot instruction make; the colour is the path. */
export function rooflineSvg({ limits, rows, machine }: Result<KernelFigure>): string {
  if (!limits) throw new Error('Cannot draw a roofline: the result has no limits');
  const gemms = rows.filter((row) => row.op === 'gemm' || row.op === 'gemmF32');
  const series = (row: KernelFigure): string => (row.op === 'gemmF32' ? 'f32' : row.path);
  const names = [...new Set(gemms.map(series))];
  const roofs = names.flatMap((name, i) => {
    const peak = limits.dot[name as keyof typeof limits.dot];
    return [line(px(peak / limits.stream[0]), py(peak), AREA.right, py(peak), { class: 'limit' }), text(AREA.right - i * 110, py(peak) - 5, `${name} peak ${peak.toFixed(0)}`, { class: 'dim end' })];
  });
  const top = Math.max(...names.map((name) => limits.dot[name as keyof typeof limits.dot]));
  const corner = Math.max(X[0], Y[0] / limits.stream[0]);
  const stream = line(px(corner), py(limits.stream[0] * corner), px(top / limits.stream[0]), py(top), { class: 'limit' });
  const points = gemms.map((row) => {
    const ms = median(row.ms);
    const note = `${row.label} ${row.site}, ${row.tokens} tokens, ${row.path}: ${(row.macs / ms / 1e6).toFixed(1)} GMAC/s, ${((boundMs(row, limits) / ms) * 100).toFixed(0)} %`;
    return element('circle', { class: `c${names.indexOf(series(row))}`, cx: px(row.macs / row.bytes), cy: py(row.macs / ms / 1e6), r: 3.5, 'fill-opacity': '0.75' }, element('title', {}, escape(note)));
  });
  const legend = names.map((name, i) => element('circle', { class: `c${i}`, cx: 330 + i * 104, cy: 20, r: 5 }) + text(340 + i * 104, 24, name));
  const place = `stream ${limits.stream[0].toFixed(1)} GB/s; ${machine.cpu}, Node ${machine.node}`;
  return picture(WIDTH, HEIGHT, 'Roofline of the GEMM kernels', [...legend, ...grid(), stream, ...roofs, ...points, text(AREA.right, AREA.bottom - 8, place, { class: 'dim end' })]);
}
