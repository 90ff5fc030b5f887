import { f16ToF32 } from '../core/numeric.ts';
import type { WeightFormat } from './number-format.ts';
import { blocksOf, type SegmentCodes } from './pack.ts';

const f = Math.fround;

/** Scale of one row and block in f32. `rowScales`: pairs (scale, min) per row, two-level scales only. */
export const scaleAt = (format: WeightFormat, bits: number, rowScales: Float32Array | null, row: number): number =>
  format.scale === 'u8' ? f(rowScales![row * 2]! * bits) : f16ToF32(bits);

/** Offset m of one row and block in f32: the value of code q is `s * q + m`. */
export function offsetAt(format: WeightFormat, scale: number, bits: number, rowScales: Float32Array | null, row: number): number {
  if (format.zero === 'mid') return -f(scale * (1 << (format.bits - 1)));
  if (format.zero === 'int') return -f(scale * bits);
  return format.scale === 'u8' ? f(rowScales![row * 2 + 1]! * ((bits << 24) >> 24)) : f16ToF32(bits);
}

/** Values [rows, length] f32: `s * q + m`, each operation rounded, as the kernels' row look-up does. */
export function dequantise(format: WeightFormat, source: SegmentCodes, rowScales: Float32Array | null): Float32Array {
  const { rows, length, codes } = source;
  const blocks = blocksOf(format, length);
  const values = new Float32Array(rows * length);
  for (let row = 0; row < rows; row++) {
    for (let block = 0; block < blocks; block++) {
      const entry = row * blocks + block;
      const scale = scaleAt(format, source.scales[entry]!, rowScales, row);
      const offset = offsetAt(format, scale, source.zeros[entry] ?? 0, rowScales, row);
      const from = block * format.block;
      for (let k = from; k < Math.min(length, from + format.block); k++) values[row * length + k] = f(f(scale * codes[row * length + k]!) + offset);
    }
  }
  return values;
}
