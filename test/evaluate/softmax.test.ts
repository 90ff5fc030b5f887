import { describe, expect, test } from 'vitest';
import { distribution, read } from '../../src/evaluate/softmax.ts';

function readRow(logits: readonly number[]) {
  const own = distribution(logits.length);
  read(own, Float32Array.from(logits));
  return own;
}

describe('read', () => {
  test('gives terms within 1e-11 of e^(x - max) down to e^-40, 0 below', () => {
    const logits = Array.from({ length: 5000 }, (_, i) => Math.fround(-i * 0.00987));
    const { terms } = readRow(logits);
    let worst = 0;
    logits.forEach((x, i) => {
      if (x > -40) worst = Math.max(worst, Math.abs(terms[i]! / Math.exp(x) - 1));
      else expect(terms[i]).toBe(0);
    });
    expect(worst).toBeLessThan(1e-11);
    expect(worst).toBeGreaterThan(0);
  });

  test('does not overflow, and takes the first of equals as the most likely', () => {
    const { logSum, sum, top } = readRow([999, 1000, 1000, 1000]);
    expect(logSum).toBeCloseTo(1000 + Math.log(3 + Math.exp(-1)), 10);
    expect(sum).toBeCloseTo(3 + Math.exp(-1), 10);
    expect(top).toBe(1);
  });

  test('takes minus infinity as impossible', () => expect(readRow([0, -Infinity]).logSum).toBe(0));

  test.each([[[NaN, 1]], [[1, NaN]]])('passes a NaN on: %j', (logits) => expect(readRow(logits).logSum).toBeNaN());
});
