import { roundHalfEven, toI32 } from '../../core/numeric.ts';
import { padded } from '../../formats/layout.ts';
import type { LinearMemory } from '../backend.ts';
import { readSegment, type SegmentView } from './segment.ts';

const f = Math.fround;

/** Where one token's quantised row goes; addresses of its first code, scale and sum. */
export interface QuantisedRow {
  readonly codes: number;
  readonly scales: number;
  readonly sums: number;
}

/** How the values of an activation block become codes: code = clamp(round((x - centre) * inverse), low, high), and x is near scale * code + centre. */
interface Grid {
  readonly scale: number;
  readonly centre: number;
  readonly inverse: number;
}

/** Channels [from, to) of a segment, outliers as 0. */
function valuesOf(memory: LinearMemory, s: SegmentView, values: number, from: number, to: number): readonly number[] {
  const first = (values >>> 2) + s.from;
  return Array.from(memory.f32.subarray(first + from, first + to), (x) => (s.outliers > 0 && Math.abs(x) >= s.outliers ? 0 : x));
}

/** The least and largest code: symmetric but for asymmetric blocks of 4 bits, which use all 16. */
function limits({ actBits, centres }: SegmentView): readonly [low: number, high: number] {
  if (actBits === 8) return [-127, 127];
  return [centres ? -8 : -7, 7];
}

/** Constants of calibration, pair (scale, centre) of a block; a value that is not finite makes the scale infinite, so that it shows in the product. */
function staticGrid(memory: LinearMemory, s: SegmentView, pair: number, x: readonly number[]): Grid {
  const at = (s.actScales >>> 2) + 2 * pair;
  const scale = x.every(Number.isFinite) ? memory.f32[at]! : Infinity;
  return { scale, centre: s.centres ? memory.f32[at + 1]! : 0, inverse: f(1 / scale) };
}

/** range = absmax * clip; scale = range / high; inverse = high / range. */
function symmetricGrid(s: SegmentView, x: readonly number[], high: number): Grid {
  const range = f(x.reduce((peak, value) => Math.max(peak, Math.abs(value)), 0) * s.clip);
  return { scale: f(range / high), centre: 0, inverse: f(high / range) };
}

/**
 * range = (max - min) * clip; scale = range / (high - low); inverse = (high - low) / range; the middle of the range, min + (max - min) / 2, is the
 * middle of the codes, (low + high) / 2: centre = middle - scale * (low + high) / 2. A block of one value has that value as its centre.
 */
function asymmetricGrid(s: SegmentView, x: readonly number[], low: number, high: number): Grid {
  const least = x.reduce((a, b) => Math.min(a, b));
  const span = f(x.reduce((a, b) => Math.max(a, b)) - least);
  const range = f(span * s.clip);
  const scale = f(range / (high - low));
  return { scale, centre: f(f(least + f(span * 0.5)) - f(scale * ((low + high) / 2))), inverse: f((high - low) / range) };
}

/**
 * Quantises one f32 row by its segments, activation block by activation block. Values of at least `outliers` in magnitude, if that is not 0, count as 0.
 * All codes are 0 where `inverse` is 0 or not finite: no range, or none that f32 can invert, or values that are not finite. Each weight block gets the
 * scale and the sum of its codes.
 */
export function quantiseRow(memory: LinearMemory, values: number, segments: number, count: number, row: QuantisedRow): void {
  for (let i = 0; i < count; i++) {
    const s = readSegment(memory, segments, i);
    const [low, high] = limits(s);
    for (let from = 0, index = 0; from < s.length; from += s.actBlock, index++) {
      const to = Math.min(s.length, from + s.actBlock);
      const x = valuesOf(memory, s, values, from, to);
      const { scale, centre, inverse } = s.actScales ? staticGrid(memory, s, index, x) : s.centres ? asymmetricGrid(s, x, low, high) : symmetricGrid(s, x, high);
      const usable = inverse > 0 && inverse < Infinity;
      for (let start = from; start < to; start += s.weightBlock) {
        const end = Math.min(to, start + s.weightBlock);
        let sum = 0;
        for (let k = start; k < start + padded(end - start); k++) {
          const code = usable && k < end ? Math.max(low, Math.min(high, toI32(roundHalfEven(f(f(x[k - from]! - centre) * inverse))))) : 0;
          memory.i8[row.codes + s.from + k] = code;
          sum += code;
        }
        const block = s.firstBlock + start / s.weightBlock;
        memory.f32[(row.scales >>> 2) + block] = scale;
        memory.i32[(row.sums >>> 2) + block] = sum;
      }
      if (s.centres) memory.f32[(row.scales >>> 2) + s.centres + index] = centre;
    }
  }
}
