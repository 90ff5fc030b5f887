import { expect, it } from 'vitest';
import { kMeans } from '../../src/quantize/steps/kmeans.ts';
import { gaussian } from '../support/tiny-model.ts';

/** Points around centres that lie far apart, shuffled by taking the centres in turn. */
function clouds(centres: readonly (readonly [number, number])[], each: number): Float64Array {
  const next = gaussian(7);
  return Float64Array.from(Array.from({ length: each }, () => centres.flatMap(([x, y]) => [x + 0.1 * next(), y + 0.1 * next()])).flat());
}

const FAR = [[0, 0], [10, 0], [0, 10], [10, 10], [40, -3]] as const;

it('kMeans() finds clouds that lie far apart', () => {
  const { labels, centres, spread } = kMeans(clouds(FAR, 20), 2, FAR.length);
  expect(new Set(labels.subarray(0, FAR.length)).size).toBe(FAR.length);
  labels.forEach((label, i) => expect(label).toBe(labels[i % FAR.length]));
  FAR.forEach(([x, y], i) => expect(Math.hypot(centres[labels[i]! * 2]! - x, centres[labels[i]! * 2 + 1]! - y)).toBeLessThan(0.1));
  expect(spread).toBeLessThan(100 * 2 * 0.02);
});

it('kMeans() splits points on a line where the least sum of squares lies, as trying every split shows', () => {
  const next = gaussian(11);
  const points = Float64Array.from({ length: 40 }, () => next()).sort();
  const cost = (part: Float64Array): number => {
    const mean = part.reduce((sum, x) => sum + x, 0) / part.length;
    return part.reduce((sum, x) => sum + (x - mean) ** 2, 0);
  };
  let least = Infinity;
  for (let a = 1; a < 39; a++) for (let b = a + 1; b < 40; b++) least = Math.min(least, cost(points.subarray(0, a)) + cost(points.subarray(a, b)) + cost(points.subarray(b)));
  expect(kMeans(points, 1, 3).spread).toBeCloseTo(least, 10);
});

it('kMeans() gives each point the nearest of its centres, and every centre is the mean of its points', () => {
  const next = gaussian(13);
  const points = Float64Array.from({ length: 600 }, () => next());
  const { labels, centres } = kMeans(points, 2, 8);
  const distance = (i: number, j: number): number => Math.hypot(points[2 * i]! - centres[2 * j]!, points[2 * i + 1]! - centres[2 * j + 1]!);
  labels.forEach((label, i) => expect(distance(i, label)).toBe(Math.min(...Array.from({ length: 8 }, (_, j) => distance(i, j)))));
  for (let j = 0; j < 8; j++) {
    const own = [...labels.keys()].filter((i) => labels[i] === j);
    for (const d of [0, 1]) expect(own.reduce((sum, i) => sum + points[2 * i + d]!, 0) / own.length).toBeCloseTo(centres[2 * j + d]!, 6);
  }
});

it('kMeans() gives the same clusters again', () => {
  const next = gaussian(17);
  const points = Float64Array.from({ length: 200 }, () => next());
  expect(kMeans(points, 2, 5)).toEqual(kMeans(points.slice(), 2, 5));
});

it('kMeans() makes fewer clusters where there are fewer different points', () => {
  const { labels, centres, spread } = kMeans(Float64Array.of(1, 2, 1, 2, 3, 4, 1, 2), 2, 4);
  expect(centres.length).toBe(4);
  expect([labels[0], labels[1], labels[3]]).toEqual([labels[0], labels[0], labels[0]]);
  expect(labels[2]).not.toBe(labels[0]);
  expect(spread).toBe(0);
  expect(kMeans(Float64Array.of(5, 5), 2, 3).centres).toEqual(Float64Array.of(5, 5));
});
