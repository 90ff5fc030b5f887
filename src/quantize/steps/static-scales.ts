import type { ActFormat } from '../../formats/number-format.ts';
import { gridOf } from './round-inputs.ts';

/** Pairs (scale, centre) of each activation block from the calibrated ranges of its channels, f32 [blocks, 2]. */
export function staticScales(act: ActFormat, minimum: Float32Array, maximum: Float32Array): Float32Array {
  const length = minimum.length;
  const span = act.block === 'row' ? length : act.block;
  const pairs: number[] = [];
  for (let from = 0; from < length; from += span) {
    const low = minimum.subarray(from, from + span).reduce((a, b) => Math.min(a, b), Infinity);
    const high = maximum.subarray(from, from + span).reduce((a, b) => Math.max(a, b), -Infinity);
    pairs.push(...gridOf(act, low, high));
  }
  return Float32Array.from(pairs);
}
