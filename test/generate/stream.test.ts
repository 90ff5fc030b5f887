import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TetradError } from '../../src/core/errors.ts';
import { StopMatcher } from '../../src/generate/stop.ts';
import { TextStream } from '../../src/generate/stream.ts';

/** Cuts a list at the given places. */
function cut<T extends Uint8Array | string>(whole: T, places: number[]): T[] {
  const at = [0, ...places.map((place) => place % (whole.length + 1)).sort((a, b) => a - b), whole.length];
  return at.slice(1).map((to, i) => whole.slice(at[i], to) as T);
}

describe('TextStream', () => {
  test('holds back unfinished characters', () => {
    const stream = new TextStream();
    expect([0xf0, 0x9f, 0x98, 0x80, 0x61].map((byte) => stream.push(Uint8Array.of(byte)))).toEqual(['', '', '', '😀', 'a']);
    expect(stream.end()).toBe('');
  });

  test('equals TextDecoder on the whole, however any bytes are cut', () => {
    const byte = fc.oneof(fc.constantFrom(0xe4, 0xba, 0xac, 0xf0, 0x9f, 0x98, 0x80, 0xc3, 0xef, 0xbb, 0xbf), fc.nat(255));
    fc.assert(fc.property(fc.array(byte, { maxLength: 40 }), fc.array(fc.nat(), { maxLength: 10 }), (bytes, places) => {
      const whole = Uint8Array.from(bytes);
      const stream = new TextStream();
      const pieces = cut(whole, places).map((part) => stream.push(part));
      expect(pieces.join('') + stream.end()).toBe(new TextDecoder('utf-8', { ignoreBOM: true }).decode(whole));
      for (const piece of pieces) expect(/^[\udc00-\udfff]|[\ud800-\udbff]$/.test(piece)).toBe(false);
    }));
  });
});

/** The text before the stop string that is complete first, the longest of several. */
function naive(text: string, stops: string[]): string {
  for (let end = 1; end <= text.length; end++) {
    const found = stops.filter((stop) => text.slice(0, end).endsWith(stop)).sort((a, b) => b.length - a.length)[0];
    if (found !== undefined) return text.slice(0, end - found.length);
  }
  return text;
}

describe('StopMatcher', () => {
  test('finds a stop string across pieces and holds back no more than its beginning', () => {
    const matcher = new StopMatcher(['</end>']);
    expect(['a<', 'b', '</e', 'nd', '>c', 'd'].map((piece) => matcher.push(piece))).toEqual(['a', '<b', '', '', '', '']);
    expect(matcher.stopped).toBe(true);
    expect(matcher.end()).toBe('');
  });

  test('end() gives what was held back', () => {
    const matcher = new StopMatcher('stop');
    expect(matcher.push('ste st')).toBe('ste ');
    expect([matcher.end(), matcher.stopped]).toEqual(['st', false]);
  });

  test('the stop string complete first wins, of several complete at once the longest', () => {
    expect(new StopMatcher(['abcd', 'bc']).push('xabcd')).toBe('xa');
    expect(new StopMatcher(['cd', 'bcd']).push('abcd')).toBe('a');
  });

  test('equals the search over the whole text, however it is cut, and never holds back without reason', () => {
    const letters = (maxLength: number): fc.Arbitrary<string> => fc.string({ unit: fc.constantFrom('a', 'b', '<'), maxLength });
    const stopStrings = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', '<'), minLength: 1, maxLength: 5 }), { maxLength: 3 });
    fc.assert(fc.property(letters(30), stopStrings, fc.array(fc.nat(), { maxLength: 12 }), (text, stops, places) => {
      const matcher = new StopMatcher(stops);
      let given = '';
      let seen = '';
      for (const part of cut(text, places)) {
        given += matcher.push(part);
        seen += part;
        if (matcher.stopped) break;
        const held = seen.slice(given.length);
        expect(held === '' || stops.some((stop) => stop.startsWith(held) && held !== stop)).toBe(true);
      }
      expect(given + matcher.end()).toBe(naive(text, stops));
      expect(matcher.stopped).toBe(stops.some((stop) => text.includes(stop)));
    }), { numRuns: 500 });
  });

  test.each([[''], [['a', '']], [[1]], [7]])('%j is invalid_argument', (stop) => {
    let error: unknown;
    try {
      error = new StopMatcher(stop as string);
    } catch (caught) {
      error = caught;
    }
    expect(TetradError.is(error) && error.code).toBe('invalid_argument');
  });
});
