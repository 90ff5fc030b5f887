import { PANEL } from '../../formats/descriptor.ts';
import { headerBytes, padded } from '../../formats/layout.ts';
import type { LinearMemory } from '../backend.ts';
import { blockAddress, codeAt, readSegment, scaleAndOffset } from './segment.ts';

const f = Math.fround;

/**
 * Per row and token: acc = 0; for blocks in ascending order, dot = sum of activation code * weight code (i32, exact),
 * acc = acc + (s * f32(dot) + m * f32(sum)) * scale, each operation rounded to f32; then out = residual ? out + acc : acc.
 */
export function gemm(
  memory: LinearMemory,
  segments: number, count: number, codes: number, codesStride: number, scales: number, sums: number, blocksStride: number,
  out: number, outStride: number, tokens: number, firstPanel: number, lastPanel: number, residual: number,
): void {
  const table = Array.from({ length: count }, (_, i) => readSegment(memory, segments, i));
  for (let panel = firstPanel; panel < lastPanel; panel++) {
    for (let t = 0; t < tokens; t++) {
      for (let row = 0; row < PANEL; row++) {
        let acc = 0;
        for (const s of table) {
          const blocks = Math.ceil(s.length / s.weightBlock);
          for (let b = 0; b < blocks; b++) {
            const address = blockAddress(s, panel, b);
            const [scale, offset] = scaleAndOffset(memory, s, address, panel, row);
            const length = padded(Math.min(s.weightBlock, s.length - b * s.weightBlock));
            const from = codes + t * codesStride + s.from + b * s.weightBlock;
            let dot = 0;
            for (let k = 0; k < length; k++) {
              dot += memory.i8[from + k]! * codeAt(memory, s.weightBits, address + headerBytes(s.header), row, k);
            }
            const side = t * blocksStride + s.firstBlock + b;
            const sum = f(memory.i32[(sums >>> 2) + side]!);
            const value = f(f(scale * f(dot)) + f(offset * sum));
            acc = f(acc + f(value * memory.f32[(scales >>> 2) + side]!));
          }
        }
        const at = (out >>> 2) + t * outStride + panel * PANEL + row;
        memory.f32[at] = residual ? f(memory.f32[at]! + acc) : acc;
      }
    }
  }
}
