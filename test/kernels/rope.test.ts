import { describe, expect, it } from 'vitest';
import { FILL_NAMES, expectSame, fillF32, pair, type Fill } from '../support/kernels.ts';

const X = 65536;
const TABLE = 256;

describe('rope()', () => {
  const shapes = [[1, 1, 8], [2, 3, 16], [3, 4, 40], [5, 1, 64], [2, 2, 80], [64, 1, 128]] as const;
  it.each(shapes)('equals the reference byte for byte: %d tokens, %d heads of %d channels, wide rows', (tokens, heads, headDim) => {
    const stride = heads * headDim + 12;
    for (const kind of FILL_NAMES) {
      const fill = (memory: Parameters<typeof fillF32>[0]): void => {
        for (let t = 0; t < tokens; t++) fillF32(memory, X + t * stride * 4, heads * headDim, kind, t + 1);
        fillF32(memory, TABLE, tokens * headDim, 'random', 7);
      };
      const rows = Array.from({ length: tokens }, (_, t) => [X + t * stride * 4, heads * headDim * 4] as const);
      expectSame(1 << 18, fill, (k) => k.rope(X, stride, tokens, heads, headDim, TABLE), rows);
    }
  });

  it.each(['random', 'huge'] satisfies Fill[])('turns each pair (i, i + headDim / 2) like a complex product: %s', (kind) => {
    const headDim = 40;
    const { memory, kernels } = pair(1 << 18).wasm;
    fillF32(memory, X, headDim, kind, 3);
    for (let i = 0; i < headDim / 2; i++) {
      memory.f32[TABLE / 4 + i] = Math.cos(i);
      memory.f32[TABLE / 4 + headDim / 2 + i] = Math.sin(i);
    }
    const before = memory.f32.slice(X / 4, X / 4 + headDim);
    kernels.rope(X, headDim, 1, 1, headDim, TABLE);
    for (let i = 0; i < headDim / 2; i++) {
      const [a, b] = [before[i]!, before[i + headDim / 2]!];
      const bound = 4 * 2 ** -24 * (Math.abs(a) + Math.abs(b));
      expect(Math.abs(memory.f32[X / 4 + i]! - (a * Math.cos(i) - b * Math.sin(i)))).toBeLessThanOrEqual(bound);
      expect(Math.abs(memory.f32[X / 4 + headDim / 2 + i]! - (b * Math.cos(i) + a * Math.sin(i)))).toBeLessThanOrEqual(bound);
    }
  });
});
