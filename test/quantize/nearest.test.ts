import { describe, expect, it } from 'vitest';
import { f16ToF32 } from '../../src/core/numeric.ts';
import { dequantise, offsetAt, scaleAt } from '../../src/formats/dequantise.ts';
import type { WeightFormat } from '../../src/formats/number-format.ts';
import { nearest } from '../../src/quantize/rounding/nearest.ts';
import { takeGrid } from '../../src/quantize/steps/source.ts';
import { gaussian, tinyStore } from '../support/tiny-model.ts';

const FORMATS = ([4, 6, 8] as const).flatMap((bits) => (['f16', 'u8'] as const).flatMap((scale) => (['mid', 'int', 'min'] as const).map((zero): WeightFormat => ({ bits, block: 32, scale, zero }))));
const [ROWS, LENGTH] = [24, 200];

function fill(seed: number): Float32Array {
  const next = gaussian(seed);
  return Float32Array.from({ length: ROWS * LENGTH }, () => 0.05 * next() + 0.01);
}

describe('nearest()', () => {
  for (const format of FORMATS) {
    it(`gives every value the nearest code: ${format.bits} bits, ${format.scale} scales, ${format.zero}`, () => {
      const values = fill(3);
      const { codes, rowScales } = nearest(values, ROWS, LENGTH, format);
      const blocks = Math.ceil(LENGTH / 32);
      const limit = (1 << format.bits) - 1;
      const stored = dequantise(format, codes, rowScales);
      const wrong = values.filter((value, i) => {
        const [row, entry] = [Math.floor(i / LENGTH), Math.floor(i / LENGTH) * blocks + Math.floor((i % LENGTH) / 32)];
        const scale = scaleAt(format, codes.scales[entry]!, rowScales, row);
        const offset = offsetAt(format, scale, codes.zeros[entry] ?? 0, rowScales, row);
        const inside = value >= offset && value <= offset + scale * limit;
        const nearestEnd = Math.min(Math.abs(value - offset), Math.abs(value - offset - scale * limit));
        const bound = inside ? scale / 2 : nearestEnd;
        return Math.abs(stored[i]! - value) > bound * 1.0001 + 1e-7;
      });
      expect([...wrong]).toEqual([]);
    });

    it(`clips no value by more than a step: ${format.bits} bits, ${format.scale} scales, ${format.zero}`, () => {
      const values = fill(4);
      const { codes, rowScales } = nearest(values, ROWS, LENGTH, format);
      const stored = dequantise(format, codes, rowScales);
      const blocks = Math.ceil(LENGTH / 32);
      const step = Math.max(...Array.from(codes.scales, (bits, i) => scaleAt(format, bits, rowScales, Math.floor(i / blocks))));
      const minStep = rowScales && format.zero === 'min' ? Math.max(...rowScales) : 0;
      expect(values.every((value, i) => Math.abs(stored[i]! - value) <= step + minStep)).toBe(true);
    });
  }

  it('finds the grid of values that lie on one with real minima, where codes 0 and 15 occur', async () => {
    const store = tinyStore({ grid: 'Q4_1', config: { hidden: 96 } });
    const tensor = store.tensor('layers.0.attn.o');
    const [values, grid] = [await tensor.read(0, 96), await tensor.readGrid(0, 96)];
    const { codes } = nearest(values, 96, 96, { bits: 4, block: 32, scale: 'f16', zero: 'min' });
    let found = 0;
    for (let group = 0; group < grid.scale.length; group++) {
      const own = grid.codes.subarray(group * 32, group * 32 + 32);
      if (!own.includes(0) || !own.includes(15)) continue;
      found++;
      expect([...codes.codes.subarray(group * 32, group * 32 + 32)]).toEqual([...own]);
      expect(f16ToF32(codes.scales[group]!)).toBeCloseTo(f16ToF32(grid.scale[group]!), 4);
      expect(codes.zeros[group]).toBe(grid.min![group]);
    }
    expect(found).toBeGreaterThan(100);
  });

  it('stores blocks of one value, of zeros and of extremes', () => {
    for (const format of FORMATS) {
      for (const constant of [0, 0.25, -0.25]) {
        const values = new Float32Array(64).fill(constant);
        const { codes, rowScales } = nearest(values, 1, 64, format);
        const isInt8 = format.scale === 'u8' && format.zero === 'int' && format.bits === 4; // whose values are whole steps of 1/119 of the largest
        expect(Math.max(...dequantise(format, codes, rowScales).map((value) => Math.abs(value - constant)))).toBeLessThan(isInt8 ? (1.1 * 0.25) / 119 + 0.0005 : 0.001);
      }
      const extremes = Float32Array.from({ length: 64 }, (_, i) => (i % 2 ? 1 : -1));
      const { codes, rowScales } = nearest(extremes, 1, 64, format);
      expect(Math.max(...dequantise(format, codes, rowScales).map((value, i) => Math.abs(value - extremes[i]!)))).toBeLessThan(0.1);
    }
  });

  it('does not depend on the rows around', () => {
    const values = fill(5);
    for (const format of FORMATS.filter(({ scale }) => scale === 'u8')) {
      const all = nearest(values, ROWS, LENGTH, format);
      const one = nearest(values.subarray(7 * LENGTH, 8 * LENGTH), 1, LENGTH, format);
      expect([...one.rowScales!]).toEqual([...all.rowScales!.subarray(14, 16)]);
      expect([...one.codes.codes]).toEqual([...all.codes.codes.subarray(7 * LENGTH, 8 * LENGTH)]);
    }
  });
});

describe('takeGrid()', () => {
  it('keeps codes and turns blocks with negative scales around for two-level scales', async () => {
    const tensor = tinyStore({ grid: 'Q4_0', config: { hidden: 96 } }).tensor('layers.0.attn.o');
    const grid = await tensor.readGrid(0, 96);
    const { codes } = takeGrid(grid, 96, 96, { bits: 4, block: 32, scale: 'u8', zero: 'min' });
    const negative = [...grid.scale].findIndex((bits) => bits & 0x8000);
    const positive = [...grid.scale].findIndex((bits) => !(bits & 0x8000));
    expect([...codes.codes.subarray(positive * 32, positive * 32 + 32)]).toEqual([...grid.codes.subarray(positive * 32, positive * 32 + 32)]);
    expect([...codes.codes.subarray(negative * 32, negative * 32 + 32)]).toEqual([...grid.codes.subarray(negative * 32, negative * 32 + 32)].map((code) => 15 - code));
  });
});
