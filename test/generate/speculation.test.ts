import { describe, expect, test } from 'vitest';
import { PassCosts } from '../../src/generate/pass-costs.ts';
import { checkSpeculate, MOST_DRAFTED, Speculator, type Speculate } from '../../src/generate/speculation.ts';

function started(prompt: readonly number[], speculate: Speculate, costs: Readonly<Record<number, number>> = {}): Speculator {
  const speculator = new Speculator(4096);
  for (const [tokens, ms] of Object.entries(costs)) for (let i = 0; i < 50; i++) speculator.record(Number(tokens), ms);
  speculator.start(prompt, speculate);
  return speculator;
}

/** Says `tokens` and returns how many guesses were offered after each. */
const offers = (speculator: Speculator, tokens: readonly number[]): number[] => tokens.map((token) => {
  speculator.push(token);
  return speculator.block(MOST_DRAFTED).length - 1;
});
const counting = (length: number, from = 0): number[] => Array.from({ length }, (_, i) => from + i);

describe('Speculator.block()', () => {
  test('is the last token and what followed it before, as far as there is room', () => {
    const speculator = started([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], 7);
    speculator.push(2);
    expect([...speculator.block(7)]).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
    expect([...speculator.block(2)]).toEqual([2, 3, 4]);
    expect([...speculator.block(0)]).toEqual([2]);
    speculator.push(99);
    expect([...speculator.block(7)]).toEqual([99]);
  });

  test('goes on with a text that repeats itself', () => {
    const speculator = started([1, 5, 6], 7);
    for (const token of [5, 6]) speculator.push(token);
    expect([...speculator.block(7)]).toEqual([6, 5, 6, 5, 6, 5, 6, 5]);
  });

  test('follows a place while it agrees, and takes a longer match over a shorter one', () => {
    const speculator = started([1, 2, 3, 4, 5, 9, 2, 7, 8], 4);
    speculator.push(2); // stood last before 7
    expect([...speculator.block(1)]).toEqual([2, 7]);
    speculator.push(3); // 2, 3 stood before 4
    expect([...speculator.block(1)]).toEqual([3, 4]);
  });

  test('keeps to the number given; false offers nothing', () => {
    expect(offers(started([1, 2, 3, 4, 5], 2), [2, 3])).toEqual([2, 2]);
    expect(offers(started([1, 2, 3, 4, 5], false), [2, 3])).toEqual([0, 0]);
  });

  test('start() forgets the text before', () => {
    const speculator = started(counting(50), 7);
    speculator.start([100, 101], 7);
    expect(offers(speculator, counting(5))).toEqual([0, 0, 0, 0, 0]);
  });
});

describe('Speculator with auto', () => {
  test('offers more the longer a copy goes on, with no clock at all', () => {
    const speculator = started(counting(100), 'auto');
    const offered = offers(speculator, counting(60, 10));
    expect(offered[0]).toBe(0);
    expect(offered.slice(30).every((count) => count === MOST_DRAFTED)).toBe(true);
  });

  test('stops where guesses fail, though it never ran one, and starts again where they come true', () => {
    const speculator = started(counting(100), 'auto');
    const misleading = counting(300).flatMap((i) => [i % 90, (i % 90) + 1, 1000 + i]); // a match of two, then something else
    expect(offers(speculator, misleading).slice(-60).every((count) => count === 0)).toBe(true);
    expect(offers(speculator, counting(60, 10)).at(-1)).toBe(MOST_DRAFTED);
  });

  test('takes passes for what they cost: none that is dearer than its tokens, and the best of steps', () => {
    const dear = { 1: 10, 2: 30, 3: 40, 4: 50, 5: 60, 6: 70, 7: 80, 8: 90 };
    expect(offers(started(counting(100), 'auto', dear), counting(15, 10))).toEqual(new Array(15).fill(0));
    const steps = { 1: 10, 2: 17, 3: 23, 4: 18, 5: 40, 6: 50, 7: 60, 8: 70 };
    expect(new Set(offers(started(counting(100), 'auto', steps), counting(60, 10)).slice(10))).toEqual(new Set([3]));
  });

  test('measures a cost that forbids drafts again after 16, 32, 64 steps', () => {
    const dear = { 1: 10, 2: 30, 3: 40, 4: 50, 5: 60, 6: 70, 7: 80, 8: 90 };
    const offered = offers(started(counting(400), 'auto', dear), counting(300, 10));
    const probes = offered.flatMap((count, i) => (count > 0 ? [i] : []));
    expect(probes.slice(1).map((at, i) => at - probes[i]!)).toEqual([32, 64, 128]);
  });
});

describe('PassCosts', () => {
  test('are assumed until both passes are measured, and where the clock stands still', () => {
    const costs = new PassCosts(8);
    for (const tokens of [1, 4]) costs.record(tokens, 0);
    expect(costs.measured(4)).toBe(costs.assumed(4));
    costs.record(4, 18);
    expect(costs.measured(4)).toBe(costs.assumed(4));
    costs.record(1, 10);
    expect([costs.measured(1), costs.measured(4)]).toEqual([1, 1.8]);
  });

  test('follow what is measured, and a single pause little', () => {
    const costs = new PassCosts(8);
    for (const tokens of [1, 2]) costs.record(tokens, 10);
    costs.record(2, 1000);
    expect(costs.measured(2)).toBe(1.25);
    for (let i = 0; i < 50; i++) costs.record(2, 16);
    expect(costs.measured(2)).toBeCloseTo(1.6, 4);
  });
});

test.each([0, 8, 1.5, -1, NaN, 'on', '3', true, null])('checkSpeculate(%j) is invalid_argument', (value) => {
  expect(() => checkSpeculate(value)).toThrow(expect.objectContaining({ code: 'invalid_argument', message: expect.stringContaining('from 1 to 7') }));
});
