import { f32ToF16 } from '../../core/numeric.ts';
import { offsetAt, scaleAt } from '../../formats/dequantise.ts';
import type { WeightFormat } from '../../formats/number-format.ts';
import { blocksOf, type SegmentCodes } from '../../formats/pack.ts';
import { rowSteps } from './two-level.ts';

/** A segment's rows as codes; `rowScales`: f32 pairs (scale, min) per row where scales have two levels. */
export interface QuantisedRows {
  readonly codes: SegmentCodes;
  readonly rowScales: Float32Array | null;
}

/** Real-valued scales and offsets [rows, blocks], before they are rounded to their own formats. */
interface Fits {
  readonly scale: Float64Array;
  readonly offset: Float64Array;
}

/**
 * Grids that span each block: `mid` from the largest magnitude, `int` from minimum to maximum and zero, `min` from minimum to maximum.
 * values: f32 [rows, length].
 */
function fitRanges(values: Float32Array, rows: number, length: number, format: WeightFormat): Fits {
  const blocks = blocksOf(format, length);
  const [scale, offset] = [new Float64Array(rows * blocks), new Float64Array(rows * blocks)];
  const codes = (1 << format.bits) - 1;
  for (let row = 0; row < rows; row++) {
    for (let block = 0; block < blocks; block++) {
      const from = row * length + block * format.block;
      const to = Math.min((row + 1) * length, from + format.block);
      let low = values[from]!;
      let high = low;
      for (let i = from + 1; i < to; i++) {
        const value = values[i]!;
        if (value < low) low = value;
        if (value > high) high = value;
      }
      const entry = row * blocks + block;
      if (format.zero === 'mid') {
        scale[entry] = Math.max(-low, high) / ((1 << (format.bits - 1)) - 1);
        continue;
      }
      if (format.zero === 'int') [low, high] = [Math.min(0, low), Math.max(0, high)];
      scale[entry] = (high - low) / codes;
      offset[entry] = low;
    }
  }
  return { scale, offset };
}

/** Squared error of values [from, to) on the grid `scale * q + offset`. */
function squaredError(values: Float32Array, from: number, to: number, scale: number, offset: number, limit: number): number {
  const inverse = scale === 0 ? 0 : 1 / scale;
  let error = 0;
  for (let i = from; i < to; i++) {
    const code = Math.floor((values[i]! - offset) * inverse + 0.5);
    const rest = values[i]! - offset - scale * (code < 0 ? 0 : code > limit ? limit : code);
    error += rest * rest;
  }
  return error;
}

/** Candidates of a block's stored scale and zero around its fit: inclusive ranges of scale codes and of (signed) zero codes. */
function candidates(format: WeightFormat, scale: number, offset: number, rowScales: Float32Array | null, row: number): readonly [number, number, number, number] {
  const int = (): number => (scale === 0 ? 0 : Math.min((1 << format.bits) - 1, Math.round(-offset / scale)));
  if (!rowScales) {
    const zero = format.zero === 'min' ? f32ToF16(offset) : format.zero === 'int' ? int() : 0;
    return [f32ToF16(scale), f32ToF16(scale), zero, zero];
  }
  const [step, minStep] = [rowScales[row * 2]!, rowScales[row * 2 + 1]!];
  const code = scale === 0 ? 0 : Math.max(1, Math.min(255, Math.floor(scale / step)));
  const lastCode = scale === 0 ? 0 : Math.min(255, code + 1);
  if (format.zero !== 'min') return format.zero === 'int' ? [code, lastCode, int(), int()] : [code, lastCode, 0, 0];
  const min = minStep === 0 ? 0 : Math.max(-127, Math.min(126, Math.floor(offset / minStep)));
  return [code, lastCode, min, minStep === 0 ? 0 : min + 1];
}

/** The row scales alone, for `format.scale` `u8`. */
export function nearestRowScales(values: Float32Array, rows: number, length: number, format: WeightFormat): Float32Array {
  const { scale, offset } = fitRanges(values, rows, length, format);
  return rowSteps(format, scale, offset, rows, blocksOf(format, length));
}

/**
 * Nearest rounding: scales and zeros are rounded to their own formats first (of the two neighbours on a two-level grid, those with the least
 * squared error), then each value takes the nearest code. values: f32 [rows, length].
 */
export function nearest(values: Float32Array, rows: number, length: number, format: WeightFormat): QuantisedRows {
  const blocks = blocksOf(format, length);
  const fits = fitRanges(values, rows, length, format);
  const rowScales = format.scale === 'u8' ? rowSteps(format, fits.scale, fits.offset, rows, blocks) : null;
  const limit = (1 << format.bits) - 1;
  const codes = new Uint8Array(rows * length);
  const scales = new Uint16Array(rows * blocks);
  const zeros = new Uint16Array(format.zero === 'mid' ? 0 : rows * blocks);
  for (let row = 0; row < rows; row++) {
    for (let block = 0; block < blocks; block++) {
      const entry = row * blocks + block;
      const from = row * length + block * format.block;
      const to = Math.min((row + 1) * length, from + format.block);
      const [firstScale, lastScale, firstZero, lastZero] = candidates(format, fits.scale[entry]!, fits.offset[entry]!, rowScales, row);
      let [best, scaleBits, zeroBits] = [Infinity, firstScale, firstZero];
      if (firstScale !== lastScale || firstZero !== lastZero) {
        for (let s = firstScale; s <= lastScale; s++) {
          for (let z = firstZero; z <= lastZero; z++) {
            const scale = scaleAt(format, s, rowScales, row);
            const error = squaredError(values, from, to, scale, offsetAt(format, scale, z, rowScales, row), limit);
            if (error < best) [best, scaleBits, zeroBits] = [error, s, z];
          }
        }
      }
      const scale = scaleAt(format, scaleBits, rowScales, row);
      const offset = offsetAt(format, scale, zeroBits, rowScales, row);
      const inverse = scale === 0 ? 0 : 1 / scale;
      for (let i = from; i < to; i++) {
        const code = Math.floor((values[i]! - offset) * inverse + 0.5);
        codes[i] = code < 0 ? 0 : code > limit ? limit : code;
      }
      scales[entry] = scaleBits;
      if (format.zero !== 'mid') zeros[entry] = rowScales ? zeroBits & 0xff : zeroBits;
    }
  }
  return { codes: { rows, length, codes, scales, zeros }, rowScales };
}
