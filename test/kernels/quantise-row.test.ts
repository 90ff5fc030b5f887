import { describe, expect, it } from 'vitest';
import { openWasm } from '../../src/backends/wasm/open.ts';
import type { ActFormat } from '../../src/formats/number-format.ts';
import { inputShape, writeSegments } from '../../src/kernels/segment.ts';
import { lcg } from '../support/linear.ts';
import { testModules } from '../support/modules.ts';

const modules = await testModules();
const act = (bits: 4 | 8, block: ActFormat['block']): ActFormat => ({ bits, block, clip: 1 });
const asymmetric = (bits: 4 | 8, block: ActFormat['block']): ActFormat => ({ ...act(bits, block), zero: 'min' });

const X = 4096;
const VALUES = 8192;
const TABLE = 16384;
const STATIC = TABLE + 1024;
const CODES = STATIC + 1024;

/** One segment of `x` through the kernel: codes, and scale and centre of each activation block. */
function quantised(x: readonly number[], format: ActFormat, pairs: readonly number[] = []) {
  const { memory, kernels } = openWasm(modules, 'simd128', 1 << 20);
  const segment = { length: x.length, weight: { bits: 4, block: 32, scale: 'f16', zero: 'mid' } as const, act: format };
  const shape = inputShape([segment]);
  const stride = shape.blocks + shape.centres;
  const scales = CODES + 1024;
  memory.f32.set(x, X >>> 2);
  memory.f32.set(pairs, STATIC >>> 2);
  writeSegments(memory, TABLE, [{ ...segment, data: 0, rowScales: 0, actScales: pairs.length ? STATIC : 0 }]);
  kernels.gatherQuant(X, x.length, 1, x.length, 0, VALUES, 0, TABLE, 1, CODES, shape.codes, scales, scales + 1024, stride);
  return {
    codes: Array.from(memory.i8.slice(CODES, CODES + shape.codes)),
    scales: Array.from(memory.f32.slice(scales >>> 2, (scales >>> 2) + shape.blocks)),
    centres: Array.from(memory.f32.slice((scales >>> 2) + shape.blocks, (scales >>> 2) + stride)),
    sums: Array.from(memory.i32.slice((scales + 1024) >>> 2, ((scales + 1024) >>> 2) + shape.blocks)),
  };
}

describe('gatherQuant() of one segment', () => {
  it.each([[4, -8, 7, 15], [8, -127, 127, 254]] as const)('uses all codes of an asymmetric block of %d bits, %d to %d, and is within half a step', (bits, low, high, steps) => {
    const random = lcg(bits);
    const x = Array.from({ length: 75 }, () => Math.fround(random() * 3 + 2));
    const { codes, scales, centres, sums } = quantised(x, asymmetric(bits, 'row'));
    expect([Math.min(...codes.slice(0, 75)), Math.max(...codes)]).toEqual([low, high]);
    expect(scales[0]).toBeCloseTo((Math.max(...x) - Math.min(...x)) / steps, 6);
    expect(scales).toEqual([scales[0], scales[0], scales[0]]);
    x.forEach((value, k) => expect(Math.abs(scales[0]! * codes[k]! + centres[0]! - value)).toBeLessThanOrEqual(scales[0]! * 0.50001));
    expect(codes.slice(75)).toEqual([0, 0, 0, 0, 0]);
    expect(sums).toEqual([0, 32, 64].map((from) => codes.slice(from, from + 32).reduce((a, b) => a + b, 0)));
  });

  it('gives an asymmetric block of one value that value as its centre', () => {
    const value = Math.fround(-0.7);
    const { codes, scales, centres } = quantised(Array.from({ length: 40 }, () => value), asymmetric(4, 32));
    expect([codes.every((code) => code === 0), scales, centres]).toEqual([true, [0, 0], [value, value]]);
  });

  it('takes scale and centre of static blocks from the constants and clamps', () => {
    const { codes, scales, centres, sums } = quantised([1, 1.25, 2.125, -100, 100, 1], { ...asymmetric(4, 'row'), range: 'static' }, [0.25, 1]);
    expect([codes.slice(0, 6), scales, centres, sums]).toEqual([[0, 1, 4, -8, 7, 0], [0.25], [1], [4]]);
    const symmetric = quantised([1, 1.25, 2.125, -100, 100, 1], { ...act(4, 'row'), range: 'static' }, [0.25, 1]);
    expect([symmetric.codes.slice(0, 6), symmetric.scales, symmetric.centres]).toEqual([[4, 5, 7, -7, 7, 4], [0.25], []]);
  });

  it('leaves outliers out of the range, and gives them the code of 0', () => {
    const x = [1, -6, 2, 50, -0.5, 5.9];
    const { codes, scales } = quantised(x, { ...act(8, 'row'), outliers: 6 });
    expect(scales[0]).toBe(Math.fround(Math.fround(5.9) / 127));
    expect([codes[1], codes[3], codes[5]]).toEqual([0, 0, 127]);
    const shifted = quantised([10, 12, 11, 50], { ...asymmetric(8, 'row'), outliers: 20 });
    expect(shifted.codes.slice(0, 4)).toEqual([85, 127, 106, -127]);
  });

  it('makes the scale of a block with values that are not finite infinite or NaN, and its codes 0', () => {
    for (const value of [NaN, Infinity, -Infinity]) {
      for (const format of [act(8, 32), asymmetric(8, 32), { ...act(8, 32), range: 'static' } as const, { ...asymmetric(4, 32), range: 'static' } as const]) {
        const x = Array.from({ length: 64 }, (_, k) => (k === 5 ? value : k));
        const { codes, scales, sums } = quantised(x, format, format.range ? [0.5, 2, 0.5, 2] : []);
        expect(codes.slice(0, 32).every((code) => code === 0) && sums[0] === 0 && !Number.isFinite(scales[0])).toBe(true);
        expect(Number.isFinite(scales[1]) && codes.slice(32).some((code) => code !== 0)).toBe(true);
      }
    }
  });
});
