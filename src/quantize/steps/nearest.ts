import { f32ToF16 } from '../../core/numeric.ts';
import { offsetAt, scaleAt } from '../../formats/dequantise.ts';
import type { WeightFormat } from '../../formats/number-format.ts';
import { blocksOf, type SegmentCodes } from '../../formats/pack.ts';
import { fitRows, nearestCode, type Fits } from './fit.ts';
import { roundPair, rowSteps } from './two-level.ts';

/** A segment's rows as codes; `rowScales`: f32 pairs (scale, min) per row where scales have two levels. */
export interface QuantisedRows {
  readonly codes: SegmentCodes;
  readonly rowScales: Float32Array | null;
}

/** Stored bits of a block's scale and zero. A two-level scale without a minimum is rounded up, so that it cuts nothing off. */
function sideBits(format: WeightFormat, fits: Fits, entry: number, count: number, rowScales: Float32Array | null, row: number): readonly [number, number] {
  const [fit, offset] = [fits.scale[entry]!, fits.offset[entry]!];
  if (format.zero === 'min') {
    if (!rowScales) return [f32ToF16(fit), f32ToF16(offset)];
    const [scale, min] = roundPair(fits, entry, count, rowScales[row * 2]!, rowScales[row * 2 + 1]!);
    return [scale, min & 0xff];
  }
  const bits = !rowScales ? f32ToF16(fit) : fit === 0 ? 0 : Math.min(255, Math.ceil(fit / rowScales[row * 2]!));
  if (format.zero === 'mid') return [bits, 0];
  const scale = scaleAt(format, bits, rowScales, row);
  return [bits, scale === 0 ? 0 : Math.min(255, Math.round(-offset / scale))];
}

/**
 * Nearest rounding: a grid is fitted to each block, its scale and zero are rounded to their own formats, then each value takes the nearest
 * code. values: f32 [rows, length].
 */
export function nearest(values: Float32Array, rows: number, length: number, format: WeightFormat, fits = fitRows(values, rows, length, format)): QuantisedRows {
  const blocks = blocksOf(format, length);
  const rowScales = format.scale === 'u8' ? rowSteps(format, fits, rows) : null;
  const limit = (1 << format.bits) - 1;
  const codes = new Uint8Array(rows * length);
  const scales = new Uint16Array(rows * blocks);
  const zeros = new Uint16Array(format.zero === 'mid' ? 0 : rows * blocks);
  for (let entry = 0; entry < rows * blocks; entry++) {
    const row = Math.floor(entry / blocks);
    const from = row * length + (entry - row * blocks) * format.block;
    const to = Math.min((row + 1) * length, from + format.block);
    const [scaleBits, zeroBits] = sideBits(format, fits, entry, to - from, rowScales, row);
    scales[entry] = scaleBits;
    if (format.zero !== 'mid') zeros[entry] = zeroBits;
    const scale = scaleAt(format, scaleBits, rowScales, row);
    const offset = offsetAt(format, scale, zeroBits, rowScales, row);
    const inverse = scale === 0 ? 0 : 1 / scale;
    for (let i = from; i < to; i++) codes[i] = nearestCode((values[i]! - offset) * inverse, limit);
  }
  return { codes: { rows, length, codes, scales, zeros }, rowScales };
}
