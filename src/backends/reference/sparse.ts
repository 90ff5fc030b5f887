import { f16ToF32 } from '../../core/numeric.ts';
import type { LinearMemory } from '../backend.ts';

const f = Math.fround;

/** Per row and token: acc = 0; for entries ascending acc = acc + x[channel] * value; then out = out + acc. */
export function sparse(
  memory: LinearMemory,
  starts: number, entries: number, x: number, xStride: number, out: number, outStride: number, tokens: number, firstRow: number, lastRow: number,
): void {
  const { f32, i32 } = memory;
  for (let row = firstRow; row < lastRow; row++) {
    const [from, to] = [i32[(starts >>> 2) + row]!, i32[(starts >>> 2) + row + 1]!];
    for (let t = 0; t < tokens; t++) {
      let acc = 0;
      for (let i = from; i < to; i++) {
        const entry = i32[(entries >>> 2) + i]!;
        acc = f(acc + f(f32[(x >>> 2) + t * xStride + (entry & 0xffff)]! * f16ToF32(entry >>> 16)));
      }
      const at = (out >>> 2) + t * outStride + row;
      f32[at] = f(f32[at]! + acc);
    }
  }
}
