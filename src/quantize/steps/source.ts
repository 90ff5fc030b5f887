import { f16ToF32, f32ToF16 } from '../../core/numeric.ts';
import { blockLength, type WeightFormat } from '../../formats/number-format.ts';
import type { SourceGrid, WeightTensor } from '../../models/weights.ts';
import type { Fits } from '../rounding/fit.ts';
import type { QuantisedRows } from '../rounding/nearest.ts';
import { roundPair, rowSteps } from '../rounding/two-level.ts';

/** The format that holds a source grid without loss; null where there is none. */
export function lossless(grid: WeightTensor['grid']): WeightFormat | null {
  if (!grid || (grid.group !== 32 && grid.group !== 64 && grid.group !== 128)) return null;
  return { bits: grid.bits, block: grid.group, scale: 'f16', zero: grid.hasMin ? 'min' : 'mid' };
}

/** Whether codes of a source grid can be stored in `format`; minima hold any grid, two-level scales have no sign. */
export const canTake = (grid: WeightTensor['grid'], format: WeightFormat): boolean =>
  grid !== null && grid.bits === format.bits && grid.group === format.block
  && (format.zero === 'min' || (format.zero === 'mid' && format.scale === 'f16' && !grid.hasMin));

/** A grid as numbers; blocks with a negative scale are turned around (code q becomes limit - q), so that all are positive. */
function positiveGrid(grid: SourceGrid): { readonly fits: Fits; readonly codes: Uint8Array } {
  const limit = (1 << grid.bits) - 1;
  const scale = Float64Array.from(grid.scale, f16ToF32);
  const offset = grid.min ? Float64Array.from(grid.min, f16ToF32) : scale.map((s) => -s * grid.zero);
  const codes = grid.codes.slice();
  const [sum, squares] = [new Float64Array(scale.length), new Float64Array(scale.length)];
  for (let group = 0; group < scale.length; group++) {
    const s = scale[group]!;
    const [from, to] = [group * grid.group, (group + 1) * grid.group];
    if (s < 0) {
      scale[group] = -s;
      offset[group] = offset[group]! + s * limit;
      for (let i = from; i < to; i++) codes[i] = limit - codes[i]!;
    }
    let codeSum = 0;
    let squareSum = 0;
    for (let i = from; i < to; i++) {
      const code = codes[i]!;
      codeSum += code;
      squareSum += code * code;
    }
    sum[group] = codeSum;
    squares[group] = squareSum;
  }
  return { fits: { scale, offset, sum, squares }, codes };
}

/** Rounds scales and minima to two levels while the codes stay. */
function toTwoLevels(grid: SourceGrid, rows: number, length: number, format: WeightFormat): QuantisedRows {
  const { fits, codes } = positiveGrid(grid);
  const entries = fits.scale.length;
  const rowScales = rowSteps(format, fits, rows);
  const [scales, zeros] = [new Uint16Array(entries), new Uint16Array(entries)];
  for (let entry = 0; entry < entries; entry++) {
    const row = Math.floor((entry * rows) / entries);
    const [scale, min] = roundPair(fits, entry, blockLength(format.block, length), rowScales[row * 2]!, rowScales[row * 2 + 1]!);
    scales[entry] = scale;
    zeros[entry] = min & 0xff;
  }
  return { codes: { rows, length, codes, scales, zeros }, rowScales };
}

/** Takes a source grid's codes over; its scales and minima too, bit for bit, unless `format` has two-level ones. `canTake` must hold. */
export function takeGrid(grid: SourceGrid, rows: number, length: number, format: WeightFormat): QuantisedRows {
  if (format.scale === 'u8') return toTwoLevels(grid, rows, length, format);
  const implied = (): Uint16Array => Uint16Array.from(grid.scale, (bits) => f32ToF16(-f16ToF32(bits) * grid.zero));
  const zeros = format.zero === 'min' ? (grid.min ?? implied()) : new Uint16Array(0);
  return { codes: { rows, length, codes: grid.codes, scales: grid.scale, zeros }, rowScales: null };
}
