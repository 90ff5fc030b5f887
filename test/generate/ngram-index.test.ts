import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { NgramIndex } from '../../src/generate/ngram-index.ts';

/** The longest of the last 3, 2 and 1 tokens that stood before, where it stood last: [index of the next token, length]. */
function naive(text: readonly number[]): readonly [number, number] {
  for (let n = Math.min(3, text.length - 1); n >= 1; n--) {
    for (let at = text.length - 1; at >= n; at--) {
      if (text.slice(at - n, at).every((token, i) => token === text[text.length - n + i])) return [at, n];
    }
  }
  return [0, 0];
}

test('find() gives the latest place of the longest n-gram, for any text', () => {
  const index = new NgramIndex(4096, 7);
  fc.assert(fc.property(fc.array(fc.nat(5), { maxLength: 40 }), fc.integer({ min: 0, max: 40000 }), (small, offset) => {
    const text = small.map((token) => token + offset);
    index.clear();
    text.forEach((token, i) => {
      index.push(token);
      expect([index.find(), index.matched]).toEqual(naive(text.slice(0, i + 1)));
    });
    expect(index.length).toBe(text.length);
  }), { numRuns: 300 });
});

test('an n-gram whose place is taken by another of its hash is not found, and nothing false is', () => {
  const index = new NgramIndex(8, 0); // 16 places, and far more n-grams
  const text = Array.from({ length: 8 }, (_, i) => i);
  for (const token of text) {
    index.push(token);
    expect(index.find()).toBe(0);
  }
});
