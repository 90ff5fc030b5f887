import { describe, expect, test } from 'vitest';
import { argmax, expBelow, logSumExp } from '../../src/evaluate/softmax.ts';

describe('expBelow', () => {
  test('is within 1e-11 of e^d over the whole range', () => {
    let worst = 0;
    for (let d = 0; d > -699; d -= 0.0137) worst = Math.max(worst, Math.abs(expBelow(d) / Math.exp(d) - 1));
    expect(worst).toBeLessThan(1e-11);
    expect(worst).toBeGreaterThan(0);
  });

  test('is 1 at 0, 0 far below, and keeps NaN', () => {
    expect(expBelow(0)).toBe(1);
    expect(expBelow(-701)).toBe(0);
    expect(expBelow(-Infinity)).toBe(0);
    expect(expBelow(NaN)).toBeNaN();
  });
});

describe('logSumExp', () => {
  test('reads only its range and does not overflow', () => {
    const values = Float32Array.of(9999, 1000, 1000, 1000, 1000, 9999);
    expect(logSumExp(values, 1, 4, 1000)).toBeCloseTo(1000 + Math.log(4), 10);
  });

  test('passes a NaN on', () => expect(logSumExp(Float32Array.of(1, NaN), 0, 2, 1)).toBeNaN());
});

test('argmax gives the first of equals, relative to the start', () => {
  expect(argmax(Float32Array.of(9, 1, 3, 3, 2), 1, 4)).toBe(1);
});
