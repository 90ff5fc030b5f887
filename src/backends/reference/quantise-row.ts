import { roundHalfEven, toI32 } from '../../core/numeric.ts';
import { padded } from '../../formats/layout.ts';
import type { LinearMemory } from '../backend.ts';
import { readSegment } from './segment.ts';

const f = Math.fround;

/** Where one token's quantised row goes; addresses of its first code, scale and sum. */
export interface QuantisedRow {
  readonly codes: number;
  readonly scales: number;
  readonly sums: number;
}

/**
 * Quantises one f32 row by its segments. Per activation block: a = absmax, scale = a * clip / Q, code = clamp(round(x * (Q / (a * clip))), -Q, Q)
 * with Q = 127 or 7; all zero where a * clip is 0. Each weight block gets the scale and the sum of its codes.
 */
export function quantiseRow(memory: LinearMemory, values: number, segments: number, count: number, row: QuantisedRow): void {
  for (let i = 0; i < count; i++) {
    const s = readSegment(memory, segments, i);
    const limit = s.actBits === 4 ? 7 : 127;
    for (let from = 0; from < s.length; from += s.actBlock) {
      const to = Math.min(s.length, from + s.actBlock);
      const value = (k: number): number => memory.f32[(values >>> 2) + s.from + k]!;
      let peak = 0;
      for (let k = from; k < to; k++) peak = Math.max(peak, Math.abs(value(k)));
      const range = f(peak * s.clip);
      const scale = f(range / limit);
      const inverse = range > 0 ? f(limit / range) : 0;
      for (let start = from; start < to; start += s.weightBlock) {
        const end = Math.min(to, start + s.weightBlock);
        let sum = 0;
        for (let k = start; k < start + padded(end - start); k++) {
          const code = k < end ? Math.max(-limit, Math.min(limit, toI32(roundHalfEven(f(value(k) * inverse))))) : 0;
          memory.i8[row.codes + s.from + k] = code;
          sum += code;
        }
        const block = s.firstBlock + start / s.weightBlock;
        memory.f32[(row.scales >>> 2) + block] = scale;
        memory.i32[(row.sums >>> 2) + block] = sum;
      }
    }
  }
}
