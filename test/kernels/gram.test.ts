import { describe, expect, it } from 'vitest';
import { GRAM_SCRATCH } from '../../src/backends/backend.ts';
import { expectSame, fillF32, pair } from '../support/kernels.ts';

const SCRATCH = 64;
const X = 16384;

describe('gram()', () => {
  const shapes = [[16, 1], [16, 64], [5, 3], [33, 7], [48, 5], [71, 64], [100, 16], [144, 9], [37, 65], [32, 150]] as const;

  it.each(shapes)('equals the reference byte for byte: %d channels, %d tokens', (length, tokens) => {
    const stride = length + 3;
    const out = Math.ceil((X + tokens * stride * 4) / 64) * 64;
    const units = Math.ceil(Math.ceil(length / 16) / 2);
    for (const [first, last] of [[0, units], [units - 1, units]] as const) {
      expectSame(out + length * length * 4 + 64, (memory) => {
        fillF32(memory, X, tokens * stride, 'random', length);
        fillF32(memory, out, length * length, 'random', tokens);
      }, (k) => k.gram(X, stride, tokens, length, out, first, last, SCRATCH), [[SCRATCH, GRAM_SCRATCH, 'ignore'], [out, length * length * 4]]);
    }
  });

  it('covers the upper triangle by its units, each part once, and leaves what lies below the panels of the diagonal', () => {
    const [length, tokens] = [85, 2];
    const { memory, kernels } = pair(1 << 17).wasm;
    const out = 32768;
    for (let i = 0; i < tokens * length; i++) memory.f32[X / 4 + i] = i % 7;
    for (let unit = 0; unit < 3; unit++) kernels.gram(X, length, tokens, length, out, unit, unit + 1, SCRATCH);
    for (let i = 0; i < length; i++) {
      for (let j = 0; j < length; j++) {
        const product = (i % 7) * (j % 7) + ((i + length) % 7) * ((j + length) % 7);
        expect(memory.f32[out / 4 + i * length + j], `${i}, ${j}`).toBe(j >= i - (i % 16) ? product : 0);
      }
    }
  });
});

describe('crossGram()', () => {
  const shapes = [[16, 1], [5, 3], [33, 64], [71, 65], [100, 16], [37, 150]] as const;

  it.each(shapes)('equals the reference byte for byte: %d channels, %d tokens', (length, tokens) => {
    const [xStride, yStride] = [length + 3, length + 16];
    const y = Math.ceil((X + tokens * xStride * 4) / 64) * 64;
    const out = Math.ceil((y + tokens * yStride * 4) / 64) * 64;
    const panels = Math.ceil(length / 16);
    for (const [first, last] of [[0, panels], [panels - 1, panels]] as const) {
      expectSame(out + length * length * 4 + 64, (memory) => {
        fillF32(memory, X, tokens * xStride, 'random', length);
        fillF32(memory, y, tokens * yStride, 'random', length + 1);
        fillF32(memory, out, length * length, 'random', tokens);
      }, (k) => k.crossGram(X, xStride, y, yStride, tokens, length, out, first, last, SCRATCH), [[SCRATCH, GRAM_SCRATCH, 'ignore'], [out, length * length * 4]]);
    }
  });

  it('multiplies rows of the first input by columns of the second', () => {
    const [length, tokens] = [21, 2];
    const { memory, kernels } = pair(1 << 17).wasm;
    const [y, out] = [24576, 32768];
    const at = (base: number, t: number, i: number): number => memory.f32[base / 4 + t * length + i]!;
    for (let i = 0; i < tokens * length; i++) [memory.f32[X / 4 + i], memory.f32[y / 4 + i]] = [i % 7, (i % 5) - 2];
    kernels.crossGram(X, length, y, length, tokens, length, out, 0, 2, SCRATCH);
    for (let i = 0; i < length; i++) {
      for (let j = 0; j < length; j++) expect(memory.f32[out / 4 + i * length + j]).toBe(0 + at(X, 0, i) * at(y, 0, j) + at(X, 1, i) * at(y, 1, j));
    }
  });
});
