import { describe, expect, it } from 'vitest';
import { checkText, LEAST_TOKENS, sequencesOf } from '../../src/calibrate/sequences.ts';

const ids = Array.from({ length: 5000 }, (_, i) => i);
const invalid = (message: RegExp): unknown => expect.objectContaining({ code: 'invalid_argument', message: expect.stringMatching(message) });

describe('sequencesOf()', () => {
  it('cuts random pieces that do not overlap, in order, the same for the same seed', () => {
    const options = { sequences: 9, length: 500, seed: 7 };
    const { sequences, tokens } = sequencesOf(ids, options);
    expect(tokens).toBe(4500);
    let end = 0;
    for (const piece of sequences) {
      expect(piece).toEqual(ids.slice(piece[0], piece[0]! + 500));
      expect(piece[0]).toBeGreaterThanOrEqual(end);
      end = piece[0]! + 500;
    }
    expect(end).toBeLessThanOrEqual(5000);
    expect(sequencesOf(ids, options)).toEqual({ sequences, tokens });
    expect(sequencesOf(ids, { ...options, seed: 8 }).sequences).not.toEqual(sequences);
  });

  it('reaches every part of the text', () => {
    const seen = new Set(Array.from({ length: 100 }, (_, seed) => sequencesOf(ids, { sequences: 2, length: 100, seed }).sequences.flat()).flat());
    expect(seen.size).toBeGreaterThan(4500);
    expect(sequencesOf(ids, { sequences: 10, length: 500, seed: 3 }).sequences.flat()).toEqual(ids);
  });

  it('takes all of a text that is too short for as many, but for an end of less than 64 tokens', () => {
    const lengths = (count: number): number[] => sequencesOf(ids.slice(0, count), { sequences: 10, length: 500, seed: 0 }).sequences.map(({ length }) => length);
    expect(lengths(1300)).toEqual([500, 500, 300]);
    expect(lengths(1063)).toEqual([500, 500]);
    expect(lengths(1064)).toEqual([500, 500, 64]);
    expect(lengths(300)).toEqual([300]);
  });

  it('refuses texts and numbers that are too small', () => {
    const options = { sequences: 10, length: 500, seed: 0 };
    expect(sequencesOf(ids.slice(0, LEAST_TOKENS), options).tokens).toBe(LEAST_TOKENS);
    expect(() => sequencesOf(ids.slice(0, LEAST_TOKENS - 1), options)).toThrow(invalid(/the text has 255 tokens, needed are at least 256/));
    expect(sequencesOf(ids.slice(0, 20), { sequences: 2, length: 10, seed: 0 }).tokens).toBe(20);
    expect(() => sequencesOf([], { sequences: 1, length: 1, seed: 0 })).toThrow(invalid(/has 0 tokens/));
    for (const bad of [{ sequences: 0, length: 5 }, { sequences: 1.5, length: 5 }, { sequences: 1, length: 0 }, { sequences: NaN, length: 5 }]) {
      expect(() => sequencesOf(ids, { ...bad, seed: 0 })).toThrow(invalid(/needed are 1 or more/));
    }
  });
});

describe('checkText()', () => {
  it('takes text, with a few characters that are none', () => {
    checkText('Grüße aus 東京\n'.repeat(20) + '\ufffd', 'a.txt');
  });

  it.each([['', /a\.txt: it is empty/], [' \n\t', /empty/], ['text\0text', /NUL/], ['abc\ufffd\ufffd', /2 of its 5 characters/]])('refuses %j', (text, message) => {
    expect(() => checkText(text, 'a.txt')).toThrow(invalid(message));
  });
});
