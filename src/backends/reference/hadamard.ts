import type { LinearMemory } from '../backend.ts';

const f = Math.fround;

/**
 * Butterflies of distance 1, 2, 4, ... on each run: a, b = a + b, a - b. Then across the runs, for each channel of a run: acc = 0; for j ascending
 * acc = acc + m[i, j] * x[j].
 */
export function hadamard(memory: LinearMemory, x: number, xStride: number, tokens: number, length: number, order: number, matrix: number): void {
  const { f32 } = memory;
  const run = length / order;
  for (let t = 0; t < tokens; t++) {
    const row = f32.subarray((x >>> 2) + t * xStride, (x >>> 2) + t * xStride + length);
    for (let distance = 1; distance < run; distance *= 2) {
      for (let i = 0; i < length; i++) {
        if (i & distance) continue;
        const [a, b] = [row[i]!, row[i + distance]!];
        row[i] = f(a + b);
        row[i + distance] = f(a - b);
      }
    }
    const source = row.slice();
    for (let i = 0; i < order; i++) {
      for (let c = 0; c < run; c++) {
        let acc = 0;
        for (let j = 0; j < order; j++) acc = f(acc + f(f32[(matrix >>> 2) + i * order + j]! * source[j * run + c]!));
        row[i * run + c] = acc;
      }
    }
  }
}
