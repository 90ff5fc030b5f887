import { PANEL } from '../../formats/descriptor.ts';
import type { LinearMemory } from '../backend.ts';

const f = Math.fround;

/** Per row and token: acc = 0; for k ascending acc = acc + x[k] * w[k]; then out = residual ? out + acc : acc. */
export function gemmF32(
  memory: LinearMemory,
  weights: number, length: number, x: number, xStride: number,
  out: number, outStride: number, tokens: number, firstPanel: number, lastPanel: number, residual: number,
): void {
  const { f32 } = memory;
  for (let panel = firstPanel; panel < lastPanel; panel++) {
    for (let t = 0; t < tokens; t++) {
      for (let row = 0; row < PANEL; row++) {
        let acc = 0;
        for (let k = 0; k < length; k++) {
          acc = f(acc + f(f32[(x >>> 2) + t * xStride + k]! * f32[(weights >>> 2) + (panel * length + k) * PANEL + row]!));
        }
        const at = (out >>> 2) + t * outStride + panel * PANEL + row;
        f32[at] = residual ? f(f32[at]! + acc) : acc;
      }
    }
  }
}
