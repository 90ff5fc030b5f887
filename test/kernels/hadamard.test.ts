import { describe, expect, it } from 'vitest';
import { hadamard, rotateRows } from '../../src/core/hadamard.ts';
import { expectSame, fillF32, pair } from '../support/kernels.ts';

const MATRIX = 1024;
const SCRATCH = 32768;
const X = 65536;

describe('hadamard()', () => {
  it.each([4, 8, 64, 2048, 12, 20, 24, 28, 36, 40, 48, 72, 96, 144, 576, 960, 1536])('equals the reference byte for byte: width %d', (width) => {
    const { order, matrix } = hadamard(width)!;
    const [tokens, stride] = [3, width + 5];
    for (const kind of ['random', 'mixed', 'one-hot'] as const) {
      expectSame(1 << 17, (memory) => {
        memory.f32.set(matrix, MATRIX / 4);
        fillF32(memory, X, tokens * stride, kind, width);
      }, (k) => k.hadamard(X, stride, tokens, width, order, MATRIX, SCRATCH), [
        [SCRATCH, 16 * order, 'ignore'], ...Array.from({ length: tokens }, (_, t) => [X + t * stride * 4, width * 4] as const),
      ]);
    }
  });

  it.each([64, 12, 72, 576, 1536])('rotates as core/hadamard.ts does in f64: width %d', (width) => {
    const found = hadamard(width)!;
    const { memory, kernels } = pair(1 << 17).wasm;
    memory.f32.set(found.matrix, MATRIX / 4);
    fillF32(memory, X, width, 'random', width);
    const row = memory.f32.subarray(X / 4, X / 4 + width);
    const expected = Float64Array.from(row);
    rotateRows(expected, 1, found);
    const largest = Math.max(...expected.map(Math.abs));
    kernels.hadamard(X, width, 1, width, found.order, MATRIX, SCRATCH);
    expect(Math.max(...expected.map((value, i) => Math.abs(value - row[i]!)))).toBeLessThan(largest * width * 2 ** -24);
  });
});
