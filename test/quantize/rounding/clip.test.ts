import { describe, expect, it } from 'vitest';
import type { WeightFormat } from '../../../src/formats/number-format.ts';
import { fitterOf } from '../../../src/quantize/rounding/clip.ts';
import { makeFits } from '../../../src/quantize/rounding/fit.ts';
import { prepareHessian } from '../../../src/quantize/rounding/hessian.ts';
import type { Clip } from '../../../src/quantize/schema.ts';
import { secondMoment, weights } from '../../support/rounding.ts';

const COLS = 64;
const moments = secondMoment(COLS, 31);
const hessian = prepareHessian(moments, COLS, [], 'nearest');
const FORMATS: readonly WeightFormat[] = [
  { bits: 4, block: 32, scale: 'f16', zero: 'mid' }, { bits: 4, block: 32, scale: 'f16', zero: 'int' }, { bits: 3, block: 32, scale: 'f16', zero: 'min' },
];

function fitOf(clip: Clip, values: Float32Array, format: WeightFormat): readonly [scale: number, offset: number] {
  const fits = makeFits(1);
  fitterOf(clip, hessian, 64)(values, 0, 32, format, fits, 0, 32);
  return [fits.scale[0]!, fits.offset[0]!];
}

/** Errors of nearest codes on a grid. */
const errorsOf = (values: Float32Array, [scale, offset]: readonly [number, number], bits: number): number[] =>
  Array.from(values, (x) => x - offset - scale * Math.max(0, Math.min((1 << bits) - 1, Math.floor((x - offset) / scale + 0.5))));

/** Grids of all ratios from 1 down to 0.2 that a search of so many steps may take. */
const grids = (values: Float32Array, format: WeightFormat, steps: number): (readonly [number, number])[] =>
  Array.from({ length: steps }, (_, i) => fitOf({ by: 'range', ratio: 1 - (0.8 * i) / steps }, values, format));

const power = (p: number) => (errors: number[]): number => errors.reduce((sum, e) => sum + Math.abs(e) ** p, 0);
const output = (errors: number[]): number =>
  errors.reduce((sum, a, i) => sum + errors.reduce((inner, b, j) => inner + a * b * moments[(32 + i) * COLS + 32 + j]!, 0), 0);

describe('fitterOf()', () => {
  it('spans the range times the ratio', () => {
    const values = Float32Array.from({ length: 32 }, (_, i) => (i - 8) / 10); // -0.8 .. 2.3
    const [mid, int, min] = FORMATS;
    expect(fitOf({ by: 'range', ratio: 0.5 }, values, mid!)[0]).toBeCloseTo((0.5 * 2.3) / 7, 6);
    const [scale, offset] = fitOf({ by: 'range', ratio: 0.5 }, values, int!);
    expect([scale, offset / scale]).toEqual([expect.closeTo((0.5 * 3.1) / 15, 6), expect.closeTo(-Math.round(0.8 / (3.1 / 15)), 9)]);
    const [real, low] = fitOf({ by: 'range', ratio: 0.5 }, values, min!);
    expect([real, low]).toEqual([expect.closeTo((0.5 * 3.1) / 7, 6), expect.closeTo(-0.8 + 3.1 / 4, 6)]);
  });

  it.each(FORMATS.map((format) => [format.zero, format] as const))('finds the ratio with the least sum of |error|^2.4: %s', (_, format) => {
    for (let seed = 0; seed < 20; seed++) {
      const values = weights(1, 32, 40 + seed);
      const found = power(2.4)(errorsOf(values, fitOf({ by: 'error', power: 2.4, steps: 80 }, values, format), format.bits));
      const least = Math.min(...grids(values, format, 80).map((grid) => power(2.4)(errorsOf(values, grid, format.bits))));
      expect(found).toBeLessThan(least * 1.001);
    }
  });

  it.each(FORMATS.map((format) => [format.zero, format] as const))('finds the ratio with the least error of the output among few: %s', (_, format) => {
    for (let seed = 0; seed < 20; seed++) {
      const values = weights(1, 32, 70 + seed);
      const found = output(errorsOf(values, fitOf({ by: 'output', steps: 8 }, values, format), format.bits));
      const least = Math.min(...grids(values, format, 8).map((grid) => output(errorsOf(values, grid, format.bits))));
      expect(found).toBeLessThan(least * 1.000001);
    }
  });

  it('comes close to the least error of the output among many', () => {
    let [found, least, plain] = [0, 0, 0];
    for (let seed = 0; seed < 40; seed++) {
      const values = weights(1, 32, 100 + seed);
      for (const format of FORMATS) {
        const all = grids(values, format, 80).map((grid) => output(errorsOf(values, grid, format.bits)));
        found += output(errorsOf(values, fitOf({ by: 'output', steps: 80 }, values, format), format.bits));
        least += Math.min(...all);
        plain += all[0]!;
      }
    }
    expect(found).toBeLessThan(1.25 * least);
    expect(found).toBeLessThan(0.8 * plain);
  });

  it('takes blocks of one value and of zeros', () => {
    for (const clip of [{ by: 'range', ratio: 0.9 }, { by: 'leastSquares' }, { by: 'error', power: 2.4, steps: 80 }, { by: 'output', steps: 80 }] as const) {
      for (const format of FORMATS) for (const constant of [0, 1, -1]) expect(fitOf(clip, new Float32Array(32).fill(constant), format).every(Number.isFinite)).toBe(true);
    }
  });

  it.each(FORMATS.map((format) => [format.zero, format] as const))('moves both ends to the least weighted error: %s', (_, format) => {
    const weighted = (errors: number[]): number => errors.reduce((sum, e, i) => sum + e * e * moments[(32 + i) * COLS + 32 + i]!, 0);
    const limit = (1 << format.bits) - 1;
    for (let seed = 0; seed < 20; seed++) {
      const values = weights(1, 32, 150 + seed);
      const [low, high] = [Math.min(...values), Math.max(...values)];
      let least = Infinity;
      for (let i = 0; i <= 10; i++) {
        for (let j = 0; j <= 10; j++) {
          const [a, b] = [low + 0.02 * i * (high - low), high - 0.02 * j * (high - low)];
          const scale = { mid: (Math.max(-low, high) * (1 - 0.02 * i)) / 7, int: (Math.max(0, b) - Math.min(0, a)) / limit, min: (b - a) / limit }[format.zero as 'mid' | 'int' | 'min'];
          const offset = { mid: -8 * scale, int: -scale * Math.round(-Math.min(0, a) / scale), min: a }[format.zero as 'mid' | 'int' | 'min'];
          least = Math.min(least, weighted(errorsOf(values, [scale, offset], format.bits)));
        }
      }
      expect(weighted(errorsOf(values, fitOf({ by: 'ends' }, values, format), format.bits))).toBeCloseTo(least, 6);
    }
  });

  it('leaves a block of one value to least squares', () => {
    const [scale, offset] = fitOf({ by: 'ends' }, new Float32Array(32).fill(0.25), FORMATS[2]!);
    expect([scale, offset]).toEqual([0, 0.25]);
  });
});
