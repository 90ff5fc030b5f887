import { f16ToF32 } from '../core/numeric.ts';
import { PANEL } from './descriptor.ts';
import { blockLength, type WeightFormat } from './number-format.ts';
import { blocksOf, type SegmentCodes } from './pack.ts';

const f = Math.fround;

/** Scale of one row and block in f32; not for `u3`. `rowScales`: pairs (scale, min) per row, only for `u8` and `bf16`. */
export function scaleAt(format: WeightFormat, bits: number, rowScales: Float32Array | null, row: number): number {
  if (format.scale === 'bf16') return rowScales![row * 2]!;
  return format.scale === 'u8' ? f(rowScales![row * 2]! * bits) : f16ToF32(bits);
}

/** Offset m of one row and block in f32: the value of code q is `s * q + m`; not for `u3`. */
export function offsetAt(format: WeightFormat, scale: number, bits: number, rowScales: Float32Array | null, row: number): number {
  if (format.zero === 'mid') return -f(scale * (1 << (format.bits - 1)));
  if (format.zero === 'int') return -f(scale * bits);
  if (format.scale === 'bf16') return rowScales![row * 2 + 1]!;
  return format.scale === 'u8' ? f(rowScales![row * 2 + 1]! * ((bits << 24) >> 24)) : f16ToF32(bits);
}

/** Value of a 3-bit code on a shared grid: step and minimum as f16 bits. */
export const sharedAt = (step: number, minimum: number, code: number): number => f(f(f16ToF32(step) * code) + f16ToF32(minimum));

/** Scale and offset of one row and block of any format. */
function gridOf(format: WeightFormat, source: SegmentCodes, rowScales: Float32Array | null, row: number, block: number): readonly [scale: number, offset: number] {
  const blocks = blocksOf(format, source.length);
  const entry = row * blocks + block;
  const [scaleBits, zeroBits] = [source.scales[entry] ?? 0, source.zeros[entry] ?? 0];
  if (format.scale === 'u3') {
    const grid = source.shared!.subarray((Math.floor(row / PANEL) * blocks + block) * 4);
    const scale = sharedAt(grid[0]!, grid[1]!, scaleBits);
    return [scale, -f(scale * sharedAt(grid[2]!, grid[3]!, zeroBits))];
  }
  const scale = scaleAt(format, scaleBits, rowScales, row);
  return [scale, offsetAt(format, scale, zeroBits, rowScales, row)];
}

/** Values [rows, length] f32: `s * q + m`, each operation rounded, as the kernels' row look-up does. */
export function dequantise(format: WeightFormat, source: SegmentCodes, rowScales: Float32Array | null): Float32Array {
  const { rows, length, codes } = source;
  const blocks = blocksOf(format, length);
  const span = blockLength(format.block, length);
  const values = new Float32Array(rows * length);
  for (let row = 0; row < rows; row++) {
    for (let block = 0; block < blocks; block++) {
      const [scale, offset] = gridOf(format, source, rowScales, row, block);
      const from = block * span;
      for (let k = from; k < Math.min(length, from + span); k++) values[row * length + k] = f(f(scale * codes[row * length + k]!) + offset);
    }
  }
  return values;
}
