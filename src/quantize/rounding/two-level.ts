import type { WeightFormat } from '../../formats/number-format.ts';
import { bf16Above } from '../../formats/row-scales.ts';
import type { Fits } from './fit.ts';

/**
 * Reach of the 8-bit integers that integer zeros make of 4 bits: with weights inside +-119 steps, (q - z) * code never leaves i8 (QServe, 2024, section 4.1).
 */
const PROTECTED = 119;

/**
 * bfloat16 steps of two-level scales, pairs (scale, min) [rows, 2]. u8 codes reach a row's largest scale times `headroom`, i8 codes its largest |minimum|.
 * With integer zeros and up to 4 bits the step is that of 8-bit weights (Zhang et al., DGQ, 2023): weights are i8 multiples (q - z) * code of it.
 */
export function rowSteps(format: WeightFormat, { scale, offset }: Fits, rows: number, headroom = 1): Float32Array {
  const steps = new Float32Array(rows * 2);
  const blocks = scale.length / rows;
  const limit = (1 << format.bits) - 1;
  const isDual = format.zero === 'int' && format.bits <= 4;
  for (let row = 0; row < rows; row++) {
    let [largest, farthest, reach] = [0, 0, 0];
    for (let entry = row * blocks; entry < (row + 1) * blocks; entry++) {
      largest = Math.max(largest, scale[entry]!);
      farthest = Math.max(farthest, Math.abs(offset[entry]!));
      reach = Math.max(reach, Math.abs(offset[entry]!), Math.abs(offset[entry]! + scale[entry]! * limit));
    }
    steps[row * 2] = bf16Above((headroom * (isDual ? (reach * 255) / PROTECTED : largest)) / 255);
    if (format.zero === 'min') steps[row * 2 + 1] = bf16Above((headroom * farthest) / 127);
  }
  return steps;
}

/**
 * Codes (u8 of the scale, i8 of the minimum) of a block of `count` values on the steps of its row: of the two scales around the fit, each with
 * its best minimum, the pair with the least `sum over the block of (ds * q + dm)^2`, where the codes q stay.
 */
export function roundPair(fits: Fits, entry: number, count: number, step: number, minStep: number): readonly [scale: number, min: number] {
  const [scale, offset, sum, squares] = [fits.scale[entry]!, fits.offset[entry]!, fits.sum[entry]!, fits.squares[entry]!];
  let [least, bestScale, bestMin] = [Infinity, 0, 0];
  const below = step === 0 ? 0 : Math.max(0, Math.min(254, Math.floor(scale / step)));
  for (let s = below; s <= below + 1; s++) {
    const ds = scale - step * s;
    const min = minStep === 0 ? 0 : Math.max(-127, Math.min(127, Math.round((offset + (ds * sum) / count) / minStep)));
    const dm = offset - minStep * min;
    const error = ds * ds * squares + 2 * ds * dm * sum + dm * dm * count;
    if (error < least) [least, bestScale, bestMin] = [error, s, min];
  }
  return [bestScale, bestMin];
}
