import { line, text } from '../../../src/surfaces/charts/svg.ts';

/** From a value to a place between two edges of the picture. */
export interface Axis {
  readonly place: (value: number) => number;
  readonly ticks: readonly number[];
}

/** Pixels: [where the axis begins, where it ends]. */
export type Edge = readonly [from: number, to: number];

const between = ([from, to]: Edge, part: number): number => from + part * (to - from);
/** Steps of 1, 2 or 5 times a power of ten, about so many over a range. */
function niceStep(range: number, count: number): number {
  const power = 10 ** Math.floor(Math.log10(range / count));
  return power * [1, 2, 5, 10].find((factor) => factor * power * count >= range)!;
}

/** From 0 or a round number below the least value to one above the largest. */
export function linearAxis(values: readonly number[], edge: Edge, { zero = false } = {}): Axis {
  const least = zero ? 0 : Math.min(...values);
  const most = Math.max(...values);
  const step = niceStep(Math.max(most - least, Math.abs(most) / 10, 1e-9), 6);
  const [low, high] = [Math.floor(least / step + 1e-9), Math.max(Math.floor(least / step) + 1, Math.ceil(most / step - 1e-9))];
  const ticks = Array.from({ length: high - low + 1 }, (_, i) => Number(((low + i) * step).toPrecision(12)));
  return { place: (value) => between(edge, (value / step - low) / (high - low)), ticks };
}

/** 1, 2 and 5 times powers of ten. */
const ROUND = Array.from({ length: 40 }, (_, i) => Number(([1, 2, 5][i % 3]! * 10 ** (Math.floor(i / 3) - 6)).toPrecision(1)));
/** Sizes of weights. */
export const BITS = [2, 2.5, 3, 3.5, 4, 4.25, 4.5, 4.75, 5, 5.5, 6, 7, 8, 9, 10, 12, 16, 24, 32];

/** Logarithmic, from one of the possible ticks to another. */
export function logAxis(values: readonly number[], edge: Edge, possible: readonly number[] = ROUND): Axis {
  const from = Math.max(0, possible.findLastIndex((tick) => tick <= Math.min(...values) * (1 + 1e-9)));
  const above = possible.findIndex((tick) => tick >= Math.max(...values) * (1 - 1e-9));
  const to = Math.max(from + 1, above < 0 ? possible.length - 1 : above);
  const ticks = possible.slice(from, to + 1);
  const [low, high] = [Math.log(ticks[0]!), Math.log(ticks.at(-1)!)];
  return { place: (value) => between(edge, (Math.log(value) - low) / (high - low)), ticks };
}

export interface Area { readonly left: number; readonly right: number; readonly top: number; readonly bottom: number }

/** Grid lines and numbers along the bottom. */
export const bottomAxis = ({ place, ticks }: Axis, { top, bottom, left, right }: Area, title: string, shown: (value: number) => string = String): string[] => [
  ...ticks.flatMap((tick) => [line(place(tick), top, place(tick), bottom, { class: 'grid' }), text(place(tick), bottom + 16, shown(tick), { class: 'dim middle' })]),
  text((left + right) / 2, bottom + 36, title, { class: 'middle' }),
];

/** Grid lines and numbers at the left; the title stands above. */
export const leftAxis = ({ place, ticks }: Axis, { top, left, right }: Area, title: string, shown: (value: number) => string): string[] => [
  ...ticks.flatMap((tick) => [line(left, place(tick), right, place(tick), { class: 'grid' }), text(left - 6, place(tick) + 4, shown(tick), { class: 'dim end' })]),
  text(left, top - 12, title),
];

/** Numbers at the right, without lines. */
export const rightAxis = ({ place, ticks }: Axis, { top, right }: Area, title: string): string[] => [
  ...ticks.map((tick) => text(right + 6, place(tick) + 4, String(tick), { class: 'dim' })),
  text(right, top - 12, title, { class: 'end' }),
];

/** A ratio of 1.02 as a rise of 0.02; what is no rise is drawn as 0.01 %. */
export const riseOf = (ratio: number): number => Math.max(1e-4, ratio - 1);
export const riseText = (rise: number): string => `${Number((rise * 100).toPrecision(3))} %`;
