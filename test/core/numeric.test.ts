import { describe, expect, it } from 'vitest';
import { bitsOf, expF32, f16ToF32, f32ToF16, fromBits, roundHalfEven, toI32 } from '../../src/core/numeric.ts';

/** IEEE 754 binary16 by its definition. */
function halfByDefinition(half: number): number {
  const exponent = (half >>> 10) & 31;
  const fraction = (half & 1023) / 1024;
  return (half & 0x8000 ? -1 : 1) * (exponent === 0 ? fraction * 2 ** -14 : (1 + fraction) * 2 ** (exponent - 15));
}

const next = (x: number, steps: number): number => fromBits(bitsOf(x) + steps);

describe('f16ToF32()', () => {
  it('is the value of the definition for every half; infinities and NaN go on as larger numbers', () => {
    let wrong = 0;
    for (let half = 0; half < 65536; half++) if (!Object.is(f16ToF32(half), halfByDefinition(half))) wrong++;
    expect(wrong).toBe(0);
  });
});

describe('f32ToF16()', () => {
  it('gives back every finite half, and rounds to the nearest, ties to even, between all neighbours', () => {
    let wrong = 0;
    for (let half = 0; half < 0x7bff; half++) {
      for (const sign of [0, 0x8000]) {
        const negate = sign ? -1 : 1;
        const middle = (halfByDefinition(half) + halfByDefinition(half + 1)) / 2; // exact in f32
        const cases = [
          [negate * halfByDefinition(half), half], [negate * middle, half + (half & 1)],
          [negate * next(middle, -1), half], [negate * next(middle, 1), half + 1],
        ] as const;
        for (const [x, want] of cases) if (f32ToF16(x) !== (want | sign)) wrong++;
      }
    }
    expect(wrong).toBe(0);
  });

  it.each([[65519.99, 0x7bff], [65520, 0x7bff], [-1e30, 0xfbff], [Infinity, 0x7bff], [NaN, 0], [-0, 0x8000], [2 ** -25, 0], [1e-40, 0]])('gives %d as %d: saturation, NaN, underflow', (x, want) => {
    expect(f32ToF16(Math.fround(x))).toBe(want);
  });
});

describe('expF32()', () => {
  it('is within 2 units in the last place of the true value over its range', () => {
    let worst = 0;
    for (let x = -87; x <= 88; x += 0.000731) {
      const argument = Math.fround(x);
      const want = Math.exp(argument);
      worst = Math.max(worst, Math.abs(expF32(argument) - want) / 2 ** (Math.floor(Math.log2(want)) - 23));
    }
    expect(worst).toBeLessThan(2);
    expect(worst).toBeGreaterThan(0.5);
  });

  it('is 1 at 0, 0 below -87 and for NaN, and e^88 above 88', () => {
    expect([expF32(0), expF32(-0), expF32(-87.5), expF32(-Infinity), expF32(NaN)]).toEqual([1, 1, 0, 0, 0]);
    expect(expF32(1e30)).toBe(expF32(88));
    expect(expF32(Infinity)).toBe(expF32(88));
  });
});

describe('roundHalfEven() and toI32()', () => {
  it.each([[0.5, 0], [1.5, 2], [2.5, 2], [-0.5, 0], [-1.5, -2], [-2.5, -2], [0.49999997, 0], [8388609, 8388609], [-3.7, -4]])('%d gives %d', (x, want) => {
    expect(roundHalfEven(x) + 0).toBe(want);
  });

  it('saturate, and turn NaN into 0', () => {
    expect([3e9, -3e9, NaN, Infinity, -Infinity, -7].map((x) => toI32(roundHalfEven(x)))).toEqual([2147483647, -2147483648, 0, 2147483647, -2147483648, -7]);
  });
});
