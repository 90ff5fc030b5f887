import type { WeightFormat } from '../../formats/number-format.ts';
import { bf16Above } from '../../formats/row-scales.ts';

/** bfloat16 steps of two-level scales, pairs (scale, min) [rows, 2]: u8 codes reach a row's largest scale, i8 codes its largest |minimum|. */
export function rowSteps(format: WeightFormat, scale: Float64Array, offset: Float64Array, rows: number, blocks: number): Float32Array {
  const steps = new Float32Array(rows * 2);
  for (let row = 0; row < rows; row++) {
    let [largest, farthest] = [0, 0];
    for (let entry = row * blocks; entry < (row + 1) * blocks; entry++) {
      largest = Math.max(largest, scale[entry]!);
      farthest = Math.max(farthest, Math.abs(offset[entry]!));
    }
    steps[row * 2] = bf16Above(largest / 255);
    if (format.zero === 'min') steps[row * 2 + 1] = bf16Above(farthest / 127);
  }
  return steps;
}
