import { f16ToF32 } from '../../core/numeric.ts';
import { FLOAT_CHUNK, PANEL } from '../../formats/descriptor.ts';
import type { LinearMemory } from '../backend.ts';
import { readSegment, weightAt, type SegmentView } from './segment.ts';

const f = Math.fround;

/** Weight of channel k (inside the segment) of a row as f32. */
function numberAt(memory: LinearMemory, s: SegmentView, panel: number, row: number, k: number): number {
  const at = s.data + panel * s.panelBytes;
  if (s.weightBits === 32) return memory.f32[(at >>> 2) + k * PANEL + row]!;
  if (s.weightBits === 16) return f16ToF32(memory.u16[(at >>> 1) + k * PANEL + row]!);
  return weightAt(memory, s, panel, row, k);
}

/**
 * Per row and token, for each FLOAT_CHUNK channels: acc = 0; for k ascending acc = acc + x[k] * w[k]; then out = out + acc, where without `residual` out
 * starts as the first acc.
 */
export function gemmFloat(
  memory: LinearMemory,
  segment: number, x: number, xStride: number, out: number, outStride: number, tokens: number, firstPanel: number, lastPanel: number, residual: number,
): void {
  const { f32 } = memory;
  const s = readSegment(memory, segment, 0);
  const weights = new Float32Array(s.length);
  for (let panel = firstPanel; panel < lastPanel; panel++) {
    for (let row = 0; row < PANEL; row++) {
      for (let k = 0; k < s.length; k++) weights[k] = numberAt(memory, s, panel, row, k);
      for (let t = 0; t < tokens; t++) {
        const at = (out >>> 2) + t * outStride + panel * PANEL + row;
        for (let from = 0; from < s.length; from += FLOAT_CHUNK) {
          let acc = 0;
          for (let k = from; k < Math.min(s.length, from + FLOAT_CHUNK); k++) acc = f(acc + f(f32[(x >>> 2) + t * xStride + s.from + k]! * weights[k]!));
          f32[at] = from > 0 || residual ? f(f32[at]! + acc) : acc;
        }
      }
    }
  }
}
