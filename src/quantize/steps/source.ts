import { f16ToF32, f32ToF16 } from '../../core/numeric.ts';
import type { WeightFormat } from '../../formats/number-format.ts';
import type { SourceGrid, WeightTensor } from '../../models/weights.ts';
import type { QuantisedRows } from './nearest.ts';
import { rowSteps } from './two-level.ts';

/** The format that holds a source grid without loss; null where there is none. */
export function lossless(grid: WeightTensor['grid']): WeightFormat | null {
  if (!grid || (grid.group !== 32 && grid.group !== 64 && grid.group !== 128)) return null;
  return { bits: grid.bits, block: grid.group, scale: 'f16', zero: grid.hasMin ? 'min' : 'mid' };
}

/** Whether codes of a source grid can be stored in `format`; minima hold any grid, two-level scales have no sign. */
export const canTake = (grid: WeightTensor['grid'], format: WeightFormat): boolean =>
  grid !== null && grid.bits === format.bits && grid.group === format.block
  && (format.zero === 'min' || (format.zero === 'mid' && format.scale === 'f16' && !grid.hasMin));

/** Scales and minima of a grid as numbers; blocks with a negative scale are turned around (code q becomes limit - q), so that all are positive. */
function positive(grid: SourceGrid, turn: boolean): { scale: Float64Array; offset: Float64Array; codes: Uint8Array } {
  const limit = (1 << grid.bits) - 1;
  const scale = Float64Array.from(grid.scale, f16ToF32);
  const offset = grid.min ? Float64Array.from(grid.min, f16ToF32) : scale.map((s) => -s * grid.zero);
  const codes = turn ? grid.codes.slice() : grid.codes;
  scale.forEach((s, group) => {
    if (s >= 0) return;
    scale[group] = -s;
    offset[group] = offset[group]! + s * limit;
    if (turn) for (let i = group * grid.group; i < (group + 1) * grid.group; i++) codes[i] = limit - codes[i]!;
  });
  return { scale, offset, codes };
}

/** The row scales alone, for `format.scale` `u8`. */
export function sourceRowScales(grid: SourceGrid, rows: number, format: WeightFormat): Float32Array {
  const { scale, offset } = positive(grid, false);
  return rowSteps(format, scale, offset, rows, scale.length / rows);
}

const clamp = (value: number, low: number, high: number): number => Math.max(low, Math.min(high, value));

/**
 * Rounds scales and minima to two levels while the codes stay: of the neighbouring pairs the one with the least
 * `sum over the block of (ds * q + dm)^2`, from the block's sums of q and q^2.
 */
function toTwoLevels(grid: SourceGrid, rows: number, length: number, format: WeightFormat): QuantisedRows {
  const { scale, offset, codes } = positive(grid, true);
  const blocks = scale.length / rows;
  const rowScales = rowSteps(format, scale, offset, rows, blocks);
  const [scales, zeros] = [new Uint16Array(rows * blocks), new Uint16Array(rows * blocks)];
  for (let entry = 0; entry < rows * blocks; entry++) {
    const row = Math.floor(entry / blocks);
    const [step, minStep] = [rowScales[row * 2]!, rowScales[row * 2 + 1]!];
    let [sum, squares] = [0, 0];
    for (let i = entry * format.block; i < (entry + 1) * format.block; i++) {
      sum += codes[i]!;
      squares += codes[i]! * codes[i]!;
    }
    let best = Infinity;
    const code = step === 0 ? 0 : Math.floor(scale[entry]! / step);
    for (let s = clamp(code, 0, 254); s <= clamp(code, 0, 254) + 1; s++) {
      const ds = scale[entry]! - step * s;
      const target = minStep === 0 ? 0 : (offset[entry]! + (ds * sum) / format.block) / minStep;
      const z = clamp(Math.round(target), -127, 127);
      const dm = offset[entry]! - minStep * z;
      const error = ds * ds * squares + 2 * ds * dm * sum + dm * dm * format.block;
      if (error < best) [best, scales[entry], zeros[entry]] = [error, s, z & 0xff];
    }
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
