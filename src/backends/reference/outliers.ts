import { PANEL } from '../../formats/descriptor.ts';
import type { LinearMemory } from '../backend.ts';
import { readSegment, weightAt } from './segment.ts';

const f = Math.fround;

/** out[t, r] = out[t, r] + x[t, k] * w[r, k], one after another, for the channels of each segment, ascending, where |x[t, k]| >= its SEG_OUTLIERS > 0. */
export function outliers(
  memory: LinearMemory, segments: number, count: number, x: number, xStride: number, out: number, outStride: number, tokens: number,
  firstPanel: number, lastPanel: number,
): void {
  for (let i = 0; i < count; i++) {
    const s = readSegment(memory, segments, i);
    for (let t = 0; s.outliers > 0 && t < tokens; t++) {
      for (let k = 0; k < s.length; k++) {
        const value = memory.f32[(x >>> 2) + t * xStride + s.from + k]!;
        if (!(Math.abs(value) >= s.outliers)) continue;
        for (let row = firstPanel * PANEL; row < lastPanel * PANEL; row++) {
          const at = (out >>> 2) + t * outStride + row;
          memory.f32[at] = f(memory.f32[at]! + f(value * weightAt(memory, s, Math.floor(row / PANEL), row % PANEL, k)));
        }
      }
    }
  }
}
