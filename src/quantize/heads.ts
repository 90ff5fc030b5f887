import type { ModelConfig } from '../models/config.ts';

type Heads = Pick<ModelConfig, 'heads' | 'kvHeads' | 'headDim'>;

/** A number of each channel of the keys or values, for each channel of the queries that share them: [kvHeads * headDim] to [heads * headDim]. */
export function repeatHeads(values: Float64Array, { heads, kvHeads, headDim }: Heads): Float64Array {
  const group = heads / kvHeads;
  return Float64Array.from({ length: heads * headDim }, (_, c) => values[Math.floor(c / headDim / group) * headDim + (c % headDim)]!);
}

/** The other way round: the largest among the queries that share a channel. */
export function maxOverHeads(values: ArrayLike<number>, { heads, kvHeads, headDim }: Heads): Float64Array {
  const group = heads / kvHeads;
  const most = new Float64Array(kvHeads * headDim);
  for (let c = 0; c < values.length; c++) {
    const shared = Math.floor(c / headDim / group) * headDim + (c % headDim);
    most[shared] = Math.max(most[shared]!, values[c]!);
  }
  return most;
}
