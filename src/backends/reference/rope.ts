import type { LinearMemory } from '../backend.ts';

const f = Math.fround;

/** (a, b) = (a cos - b sin, b cos + a sin) for the pairs (i, i + headDim / 2); two products, then their sum, each rounded. */
export function rope(memory: LinearMemory, x: number, xStride: number, tokens: number, heads: number, headDim: number, table: number): void {
  const { f32 } = memory;
  const half = headDim / 2;
  for (let t = 0; t < tokens; t++) {
    const angles = (table >>> 2) + t * headDim;
    for (let head = 0; head < heads; head++) {
      const row = (x >>> 2) + t * xStride + head * headDim;
      for (let i = 0; i < half; i++) {
        const a = f32[row + i]!;
        const b = f32[row + half + i]!;
        const cos = f32[angles + i]!;
        const sin = f32[angles + half + i]!;
        f32[row + i] = f(f(a * cos) - f(b * sin));
        f32[row + half + i] = f(f(b * cos) + f(a * sin));
      }
    }
  }
}
