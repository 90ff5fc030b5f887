import { expect, test } from 'vitest';
import { Random, splitMix64 } from '../../src/core/random.ts';

test('Random gives the reference sequence of xoshiro128** (rand_xoshiro, from the authors\' C)', () => {
  const random = new Random([1, 2, 3, 4]);
  expect(Array.from({ length: 10 }, () => random.nextUint32())).toEqual(
    [11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804]);
});

test('splitMix64() gives the reference sequence of seed 1234567 (the authors\' C)', () => {
  expect(splitMix64(1234567n, 5)).toEqual(
    [6457827717110365317n, 3203168211198807973n, 9817491932198370423n, 4593380528125082431n, 16408922859458223821n]);
});

test('Random.next() is uniform in [0, 1) and depends on all 53 bits of the seed', () => {
  const random = Random.seeded(0);
  const draws = Array.from({ length: 20000 }, () => random.next());
  expect(Math.min(...draws)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...draws)).toBeLessThan(1);
  const bins = new Array<number>(10).fill(0);
  for (const draw of draws) bins[Math.floor(draw * 10)]!++;
  for (const bin of bins) expect(Math.abs(bin - 2000)).toBeLessThan(5 * Math.sqrt(2000)); // five standard deviations
  expect(Random.seeded(2 ** 52).next()).not.toBe(Random.seeded(0).next());
});
