import { pow, putCosSin } from '../core/math.ts';
import type { RopeConfig } from '../models/config.ts';

/**
 * Fills table[position] = headDim / 2 cosines, then sines, of position * frequency (Su et al. 2021). Frequencies and angles are rounded to f32, as
 * the checkpoints were trained and as PyTorch computes them.
 */
export function fillRopeTable(table: Float32Array, rope: RopeConfig, headDim: number, context: number): void {
  const half = headDim / 2;
  for (let i = 0; i < half; i++) {
    const frequency = Math.fround(Math.fround(1 / pow(rope.theta, (2 * i) / headDim)) / (rope.factors?.[i] ?? 1));
    for (let position = 0; position < context; position++) putCosSin(table, position * headDim + i, half, Math.fround(position * frequency));
  }
}
