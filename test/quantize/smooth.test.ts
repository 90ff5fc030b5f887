import { describe, expect, it } from 'vitest';
import type { ActFormat } from '../../src/formats/number-format.ts';
import { roundInputs } from '../../src/quantize/steps/round-inputs.ts';
import { candidates, keyFactors, percentileFactors, powerFactors } from '../../src/quantize/steps/smooth-rules.ts';
import { leastError, spread } from '../../src/quantize/steps/smooth-search.ts';
import { samplesOfRows } from '../support/samples.ts';
import { gaussian } from '../support/tiny-model.ts';

const close = (found: Float64Array, wanted: readonly number[]): void => {
  expect(found.length).toBe(wanted.length);
  wanted.forEach((value, i) => expect(found[i]! / value, `factor ${i}`).toBeCloseTo(1, 12));
};

describe('powerFactors()', () => {
  it('is max|X|^a / max|W|^b over the geometric mean', () => {
    const peaks = { inputs: Float64Array.of(4, 16, 1), weights: Float64Array.of(1, 4, 1) };
    close(powerFactors(peaks, 0.5, 0), [1, 2, 0.5]);
    close(powerFactors(peaks, 1, 0.5), [4, 8, 1].map((factor) => factor / 32 ** (1 / 3)));
  });

  it('leaves channels alone whose inputs or weights are always zero, and others as if these were not there', () => {
    close(powerFactors({ inputs: Float64Array.of(4, 0, 16, 5), weights: Float64Array.of(1, 1, 1, 0) }, 0.5, 0.5), [Math.SQRT1_2, 1, Math.SQRT2, 1]);
    close(powerFactors({ inputs: new Float64Array(3), weights: new Float64Array(3) }, 0.5, 0.5), [1, 1, 1]);
  });

  it('stays finite and positive whatever the peaks', () => {
    const extremes = Float64Array.of(1e-45, 3e38, 1, NaN);
    for (const factor of powerFactors({ inputs: extremes, weights: Float64Array.of(3e38, 1e-45, 1, 1) }, 1, 1)) {
      expect(factor).toBeGreaterThanOrEqual(1 / 65536);
      expect(factor).toBeLessThanOrEqual(65536);
    }
  });
});

describe('percentileFactors()', () => {
  it('brings channels above the (share * channels + 1.5)-th largest down to it', () => {
    const inputs = Float64Array.of(3, 80, 1, 20, 2, 40, 0, 1, 1, 10);
    close(percentileFactors(inputs, 0.05), [1, 2, 1, 1, 1, 1, 1, 1, 1, 1]); // the 2nd largest, 40
    close(percentileFactors(inputs, 0.24), [1, 4, 1, 1, 1, 2, 1, 1, 1, 1]); // the 3rd, 20
    close(percentileFactors(inputs, 0.25), [1, 8, 1, 2, 1, 4, 1, 1, 1, 1]); // the 4th, 10
  });

  it('changes nothing where the bound is zero', () => {
    close(percentileFactors(Float64Array.of(0, 7, 0), 0.005), [1, 1, 1]);
  });
});

describe('keyFactors()', () => {
  it('takes the larger of a RoPE pair to the power, inside each head', () => {
    close(keyFactors([4, 1, 0, 9, /* second head */ 25, 0, 16, 0], 4, 0.5), [2, 3, 2, 3, 5, 1, 5, 1]);
  });
});

describe('candidates()', () => {
  it('starts with no change, and has each power with and without the rest for the weights', () => {
    const peaks = { inputs: Float64Array.of(4, 16), weights: Float64Array.of(1, 9) };
    const found = candidates(peaks, 2);
    expect(found.length).toBe(5);
    close(found[0]!, [1, 1]);
    const ratios = [1, /* 1 / W */ 9, /* X^0.5 */ 1 / 2, /* (X / W)^0.5 */ 3 / 2, /* X */ 1 / 4];
    ratios.forEach((ratio, i) => expect(found[i]![0]! / found[i]![1]!, `candidate ${i}`).toBeCloseTo(ratio, 12));
  });
});

describe('leastError()', () => {
  const [rows, cols, tokens] = [24, 17, 9];
  const next = gaussian(3);
  const size = Float64Array.from({ length: cols }, (_, c) => (c === 4 ? 60 : c === 9 ? 15 : 1));
  const samples = samplesOfRows(Float32Array.from({ length: tokens * cols }, (_, i) => size[i % cols]! * next()), cols);
  const weights = Float32Array.from({ length: rows * cols }, () => next());
  const grid = (values: Float32Array): Float32Array => roundInputs(values, cols, { bits: 8, block: 'row', clip: 1 });
  const round = { weights: grid, inputs: grid };

  /** By the definition, token by token and row by row. */
  function errorOf(factors: Float64Array): number {
    const x = grid(samples.rows.map((value, i) => value / factors[i % cols]!));
    const w = grid(weights.map((value, i) => value * factors[i % cols]!));
    let error = 0;
    for (let t = 0; t < tokens; t++) {
      for (let row = 0; row < rows; row++) {
        let difference = 0;
        for (let c = 0; c < cols; c++) difference += x[t * cols + c]! * w[row * cols + c]! - samples.rows[t * cols + c]! * weights[row * cols + c]!;
        error += difference ** 2;
      }
    }
    return error;
  }

  it('finds the candidate whose outputs err least, which divides the outliers', () => {
    const tried = candidates({ inputs: Float64Array.from(samples.absmax), weights: new Float64Array(cols).fill(3) }, 10);
    const errors = tried.map(errorOf);
    const best = leastError(tried, samples, weights, cols, round);
    expect(best).toBe(errors.indexOf(Math.min(...errors)));
    expect(errors[best]! * 4).toBeLessThan(errors[0]!);
    expect(tried[best]![4]).toBeGreaterThan(tried[best]![0]!);
  });

  it('takes the first of equal candidates', () => {
    const same = [1, 1, 1].map(() => new Float64Array(cols).fill(1));
    expect(leastError(same, samples, weights, cols, round)).toBe(0);
  });

  it('looks at indices that are evenly spread and all different', () => {
    expect(spread(10, 4)).toEqual([0, 2, 5, 7]);
    expect(spread(3, 8)).toEqual([0, 1, 2]);
  });
});

describe('roundInputs()', () => {
  const base = { bits: 4, block: 'row', clip: 1 } as const;
  const rounded = (values: readonly number[], act: Partial<ActFormat>, cols = values.length): number[] =>
    [...roundInputs(Float32Array.from(values), cols, { ...base, ...act })];

  it('gives symmetric grids that reach the largest magnitude of each token', () => {
    expect(rounded([7, -3.4, 0.6, -0.4, /* second token */ 0, 0, 14, 3], {}, 4)).toEqual([7, -3, 1, 0, 0, 0, 14, 4]); // 3 lies halfway between 2 and 4
  });

  it('gives each block its own grid, the short last one too', () => {
    const values = Array.from({ length: 40 }, (_, i) => (i < 32 ? 7 * (i % 2) : 70 * (i % 2) - 3));
    expect(rounded(values, { block: 32 }).slice(0, 2)).toEqual([0, 7]);
    expect(rounded(values, { block: 32 }).slice(32, 34)).toEqual([0, 67]);
  });

  it('cuts the range by the clip ratio', () => {
    expect(rounded([8, -8, 4, 1], { clip: 0.875 })).toEqual([7, -7, 4, 1]);
  });

  it('gives asymmetric grids from minimum to maximum', () => {
    expect(rounded([10, 25, 11.2, 10.9], { zero: 'min' })).toEqual([10, 25, 11, 11]); // 16 codes of 4 bits
    expect(rounded([0, 254, 3.4, 3.6], { bits: 8, zero: 'min' })).toEqual([0, 254, 3, 4]); // 255 of 8
    expect(rounded([5, 5], { zero: 'min' })).toEqual([5, 5]);
  });

  it('gives static grids one range for all tokens', () => {
    expect(rounded([14, 1.1, /* second token */ 3.2, 0.9], { range: 'static' }, 2)).toEqual([14, 2, 4, 0]);
  });

  it('leaves outliers as they are, out of the range', () => {
    expect(rounded([100.25, 7.25, -3.4, -7, 0.75], { outliers: 7.125 })).toEqual([100.25, 7.25, -3, -7, 1]);
  });
});
