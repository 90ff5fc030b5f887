import type { SiteSamples } from '../../calibrate/samples.ts';
import type { ActFormat } from '../../formats/number-format.ts';

/** How many of `count` activation blocks of `cols` channels move to the other width: the nearest whole number; a short last block is always one of them. */
export function movedBlocks(cols: number, block: number, share: number): number {
  const moved = Math.round(share * Math.ceil(cols / block));
  return share > 0 && cols % block !== 0 ? Math.max(1, moved) : moved;
}

type Width = Pick<ActFormat, 'bits' | 'clip' | 'zero'>;

/** Squared error of each place of one block of a token's input under dynamic quantisation, added to `errors`, times `sign`. */
function addErrors(row: Float32Array, order: Int32Array, from: number, to: number, { bits, clip, zero }: Width, sign: 1 | -1, errors: Float64Array): void {
  let [low, high] = [Infinity, -Infinity];
  for (let i = from; i < to; i++) {
    const x = row[order[i]!]!;
    if (x < low) low = x;
    if (x > high) high = x;
  }
  if (!zero) [low, high] = [-Math.max(high, -low), Math.max(high, -low)];
  const most = (1 << (bits - 1)) - 1;
  const least = zero && bits === 4 ? -most - 1 : -most;
  const scale = ((high - low) * clip) / (most - least);
  const centre = (high + low) / 2 - (scale * (most + least)) / 2;
  for (let i = from; i < to; i++) {
    const x = row[order[i]!]! - centre;
    const code = scale === 0 ? 0 : Math.max(least, Math.min(most, Math.round(x / scale)));
    const rest = x - scale * code;
    errors[i]! += sign * rest * rest;
  }
}

/**
 * What each activation block of the first `length` places of `order` would gain by the other width:
 * sum over its channels k of (E[(x_k - Q_base(x_k))^2] - E[(x_k - Q_other(x_k))^2]) * ||W[:, k]||^2 on the samples. A short block gains all there is.
 *
 * @param squares f64 [cols], squared norm of each column of the weights, by channel.
 */
export function blockGains(
  order: Int32Array, length: number, samples: SiteSamples, squares: Float64Array, base: Width & { readonly block: number }, other: Partial<Width>,
): Float64Array {
  const cols = order.length;
  const errors = new Float64Array(length);
  for (let t = 0; t < samples.tokens; t++) {
    const row = samples.rows.subarray(t * cols, (t + 1) * cols);
    for (let from = 0; from < length; from += base.block) {
      const to = Math.min(length, from + base.block);
      addErrors(row, order, from, to, base, 1, errors);
      addErrors(row, order, from, to, { ...base, ...other }, -1, errors);
    }
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
