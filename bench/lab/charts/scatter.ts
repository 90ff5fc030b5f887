import { element, escape, picture, text } from '../../../src/surfaces/charts/svg.ts';
import { bottomAxis, leftAxis, logAxis, riseOf, riseText, type Area, type Axis, type Edge } from './axes.ts';

export interface Point {
  readonly label: string;
  /** Number of the colour. */
  readonly series: number;
  readonly x: number;
  /** Perplexity over that of f32. */
  readonly ratio: number;
}

export interface ScatterText {
  readonly title: string;
  readonly below: string;
  readonly x: string;
  readonly unit: string;
  readonly axis: (values: readonly number[], edge: Edge) => Axis;
  /** Names of the colours. */
  readonly names: readonly string[];
}

const [WIDTH, HEIGHT] = [860, 640];
const AREA: Area = { left: 64, right: 830, top: 104, bottom: 580 };
const RADIUS = 4;
/** Width of a letter and height of a line at the size of labels. */
const [LETTER, LINE] = [6.1, 11];

interface Box { readonly left: number; readonly right: number; readonly top: number; readonly bottom: number }

const overlaps = (a: Box, b: Box): boolean => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;

/** Where a label can stand beside its point: right, left, above, below. */
function places(x: number, y: number, length: number): { readonly box: Box; readonly anchor: string }[] {
  const width = length * LETTER;
  const box = (left: number, middle: number): Box => ({ left, right: left + width, top: middle - LINE / 2, bottom: middle + LINE / 2 });
  return [
    { box: box(x + RADIUS + 3, y), anchor: '' }, { box: box(x - RADIUS - 3 - width, y), anchor: 'end' },
    ...[-1, 1].map((side) => ({ box: box(x - width / 2, y + side * (RADIUS + LINE / 2 + 2)), anchor: 'middle' })),
    ...[-1, 1].map((side) => ({ box: box(x + RADIUS, y + side * (RADIUS + LINE / 2)), anchor: '' })),
  ];
}

/** Labels that have room; a point whose label has none shows it as a title only. */
function labels(points: readonly (Point & { readonly px: number; readonly py: number })[]): string[] {
  const taken: Box[] = points.map(({ px, py }) => ({ left: px - RADIUS, right: px + RADIUS, top: py - RADIUS, bottom: py + RADIUS }));
  return points.flatMap(({ label, px, py }) => {
    const free = places(px, py, label.length).find(({ box }) => box.right < WIDTH - 4 && box.left > AREA.left && box.bottom < AREA.bottom && box.top > AREA.top - LINE && !taken.some((other) => overlaps(box, other)));
    if (!free) return [];
    const { box, anchor } = free;
    taken.push(box);
    const x = anchor === 'end' ? box.right : anchor === 'middle' ? (box.left + box.right) / 2 : box.left;
    return [text(x, box.bottom - 2, label, { class: `dim ${anchor}`.trim() })];
  });
}

/** Quality of rows on a logarithmic axis of rises in perplexity, against something that they cost or give. */
export function scatterSvg(points: readonly Point[], { title, below, x, unit, axis, names }: ScatterText): string {
  const across = axis(points.map((point) => point.x), [AREA.left, AREA.right]);
  const up = logAxis(points.map(({ ratio }) => riseOf(ratio)), [AREA.bottom, AREA.top]);
  const placed = points.map((point) => ({ ...point, px: across.place(point.x), py: up.place(riseOf(point.ratio)) }));
  const used = [...new Set(points.map(({ series }) => series))].sort((a, b) => a - b);
  const starts = used.map((_, n) => used.slice(0, n).reduce((at, series) => at + 34 + names[series]!.length * 6.6, 22));
  return picture(WIDTH, HEIGHT, title, [
    text(16, 44, below, { class: 'dim' }),
    ...used.flatMap((series, n) => [element('circle', { class: `c${series}`, cx: starts[n]!, cy: 66, r: 5 }), text(starts[n]! + 10, 70, names[series]!)]),
    ...bottomAxis(across, AREA, x),
    ...leftAxis(up, AREA, 'rise of perplexity over f32', riseText),
    ...placed.map(({ label, series, px, py, x: value, ratio }) =>
      element('circle', { class: `c${series}`, cx: px, cy: py, r: RADIUS }, element('title', {}, escape(`${label}: ${Number(value.toPrecision(3))} ${unit}, ratio ${ratio.toFixed(4)}`)))),
    ...labels(placed),
  ]);
}
