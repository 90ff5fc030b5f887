import type { SiteSamples } from '../../calibrate/samples.ts';
import type { ActFormat } from '../../formats/number-format.ts';
import { roundInputs } from './round-inputs.ts';
import { rowsInOrder } from './samples.ts';

/** How many of `count` activation blocks of `cols` channels move to the other width: the nearest whole number; a short last block is always one of them. */
export function movedBlocks(cols: number, block: number, share: number): number {
  const moved = Math.round(share * Math.ceil(cols / block));
  return share > 0 && cols % block !== 0 ? Math.max(1, moved) : moved;
}

/**
 * What each activation block of the first `length` places of `order` would gain by the other width:
 * sum over its channels k of (E[(x_k - Q_base(x_k))^2] - E[(x_k - Q_other(x_k))^2]) * ||W[:, k]||^2 on the samples. A short block gains all there is.
 *
 * @param squares f64 [cols], squared norm of each column of the weights, by channel.
 */
export function blockGains(
  order: Int32Array, length: number, samples: SiteSamples, squares: Float64Array, base: ActFormat & { readonly block: number }, other: Pick<ActFormat, 'bits' | 'clip'>,
): Float64Array {
  const rows = rowsInOrder(samples, order, 0, length);
  const errors = new Float64Array(length);
  for (const [act, sign] of [[base, 1], [{ ...base, ...other }, -1]] as const) {
    roundInputs(rows, length, act).forEach((value, i) => (errors[i % length]! += sign * (value - rows[i]!) * (value - rows[i]!)));
  }
  return Float64Array.from({ length: Math.ceil(length / base.block) }, (_, block) => {
    const places = errors.subarray(block * base.block, (block + 1) * base.block);
    if (places.length < base.block) return Infinity;
    return places.reduce((sum, error, i) => sum + error * squares[order[block * base.block + i]!]!, 0) / samples.tokens;
  });
}

/** Blocks that hold a channel whose largest magnitude is more than `threshold` times the median channel's; a short last block is always one of them. */
export function outlierBlocks(order: Int32Array, length: number, absmax: Float32Array, block: number, threshold: number): number[] {
  const median = absmax.toSorted()[absmax.length >>> 1]!;
  return Array.from({ length: Math.ceil(length / block) }, (_, i) => i).filter((i) => {
    const places = order.subarray(i * block, Math.min(length, (i + 1) * block));
    return places.length < block || places.some((channel) => absmax[channel]! > threshold * median);
  });
}

/** The indices of the `count` largest gains; of equals, the first. */
export const largest = (gains: ArrayLike<number>, count: number): number[] =>
  Array.from(gains, (gain, i) => ({ gain, i })).sort((a, b) => (a.gain === b.gain ? a.i - b.i : b.gain - a.gain)).slice(0, count).map(({ i }) => i);

/** Moves the chosen blocks of the first `length` places to the end of these, all else stable. */
export function blocksLast(order: Int32Array, length: number, block: number, chosen: readonly number[]): Int32Array {
  const moved = new Set(chosen);
  const places = [...order.keys()].slice(0, length);
  const isMoved = (place: number): boolean => moved.has(Math.floor(place / block));
  const head = [...places.filter((place) => !isMoved(place)), ...places.filter(isMoved)].map((place) => order[place]!);
  return Int32Array.from([...head, ...order.subarray(length)]);
}
