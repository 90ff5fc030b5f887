import { describe, expect, it } from 'vitest';
import { floatScratchBytes } from '../../src/backends/backend.ts';
import type { FloatFormat, WeightFormat } from '../../src/formats/number-format.ts';
import { gridsOf, placeFloat, type FloatCase } from '../support/float.ts';
import { expectSame, fillF32, pair } from '../support/kernels.ts';

const SCRATCH = 64;
const BASE = 32768;
const FLOATS: readonly FloatFormat[] = [{ bits: 16 }, { bits: 32 }];

/** One call of `tokens` tokens over panels [first, last) of all; x has a stride of its own. */
function check(shape: FloatCase, tokens: number, residual: 0 | 1, seed: number, [first, last] = [0, Math.ceil(shape.rows / 16)]): void {
  const outStride = Math.ceil(shape.rows / 16) * 16 + 4;
  const xStride = shape.from + shape.length + 3;
  const { end } = placeFloat(pair(1 << 19).reference.memory, BASE, shape, seed);
  const x = end + 64;
  const out = Math.ceil((x + tokens * xStride * 4) / 16) * 16 + 64;
  const size = out + tokens * outStride * 4 + 64;
  expectSame(size, (memory) => {
    placeFloat(memory, BASE, shape, seed);
    fillF32(memory, x, tokens * xStride, 'random', seed + 1);
    fillF32(memory, out, tokens * outStride, 'random', seed + 2);
  }, (k) => k.gemmFloat(BASE, x, xStride, out, outStride, tokens, first, last, residual, SCRATCH), [
    [SCRATCH, floatScratchBytes(shape.length), 'ignore'],
    ...Array.from({ length: tokens }, (_, t) => [out + (t * outStride + first * 16) * 4, (last - first) * 64] as const),
  ]);
}

describe('gemmFloat()', () => {
  it.each([3, 4, 6, 8] as const)('equals the reference byte for byte: %d-bit codes, every grid, tails and chunks', (bits) => {
    gridsOf(bits).forEach((weight, seed) => {
      check({ rows: 20, from: 0, length: 135, weight }, 5, 0, seed + 1);
      check({ rows: 16, from: 16, length: 329, weight }, 1, 1, seed + 101);
      check({ rows: 40, from: 0, length: 16, weight }, 3, 1, seed + 201, [1, 2]);
    });
  });

  it.each(FLOATS)('equals the reference byte for byte: weights of $bits bits', (weight) => {
    for (const [length, tokens] of [[1, 1], [7, 4], [256, 5], [257, 9], [531, 2]] as const) {
      check({ rows: 33, from: 4, length, weight }, tokens, (tokens & 1) as 0 | 1, length);
      check({ rows: 33, from: 0, length, weight }, tokens, 0, length, [2, 3]);
    }
  });

  it('multiplies by what dequantise() says the weights are', () => {
    const formats: readonly (WeightFormat | FloatFormat)[] = [3, 4, 6, 8].flatMap((bits) => gridsOf(bits as WeightFormat['bits']));
    for (const weight of [...formats, ...FLOATS]) {
      const [rows, length, x] = [19, 70, 1 << 17];
      const { memory, kernels } = pair(1 << 18).wasm;
      const { values } = placeFloat(memory, BASE, { rows, from: 0, length, weight }, 9);
      for (let k = 0; k < length; k++) memory.f32[x / 4 + k * length + k] = 1;
      const out = x + 4 * length * length;
      kernels.gemmFloat(BASE, x, length, out, 32, length, 0, 2, 0, SCRATCH);
      const got = Float32Array.from({ length: rows * length }, (_, i) => memory.f32[out / 4 + (i % length) * 32 + Math.floor(i / length)]!);
      expect(got, JSON.stringify(weight)).toEqual(values.map((value) => value + 0));
    }
  });
});
