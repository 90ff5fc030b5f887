import type { SiteSamples } from '../../calibrate/samples.ts';
import type { ActFormat } from '../../formats/number-format.ts';

/** How many of a row's activation blocks move to the other width: the nearest whole number; a short last block is always one of them. */
export function movedBlocks(cols: number, block: number, share: number): number {
  const moved = Math.round(share * Math.ceil(cols / block));
  return share > 0 && cols % block !== 0 ? Math.max(1, moved) : moved;
}

/** Squared error of each place of one block of a token's input under dynamic quantisation, added to `errors`, times `sign`. */
function addErrors(row: Float32Array, order: Int32Array, from: number, to: number, { bits, clip }: Pick<ActFormat, 'bits' | 'clip'>, sign: 1 | -1, errors: Float64Array): void {
  let peak = 0;
  for (let i = from; i < to; i++) peak = Math.max(peak, Math.abs(row[order[i]!]!));
  const limit = (1 << (bits - 1)) - 1;
  const scale = (peak * clip) / limit;
  for (let i = from; i < to; i++) {
    const x = row[order[i]!]!;
    const code = scale === 0 ? 0 : Math.max(-limit, Math.min(limit, Math.round(x / scale)));
    const rest = x - scale * code;
    errors[i]! += sign * rest * rest;
  }
}

/**
 * Moves the `moved` blocks of `order` that gain most to the end, all else stable. A block's gain is
 * sum over its channels k of (E[(x_k - Q_base(x_k))^2] - E[(x_k - Q_other(x_k))^2]) * ||W[:, k]||^2 on the samples.
 *
 * @param squares f64 [cols], squared norm of each column of the weights, by channel.
 */
export function blocksLast(
  order: Int32Array, samples: SiteSamples, squares: Float64Array, base: ActFormat, other: Pick<ActFormat, 'bits' | 'clip'>, moved: number,
): Int32Array {
  const cols = order.length;
  const errors = new Float64Array(cols);
  for (let t = 0; t < samples.tokens; t++) {
    const row = samples.rows.subarray(t * cols, (t + 1) * cols);
    for (let from = 0; from < cols; from += base.block) {
      const to = Math.min(cols, from + base.block);
      addErrors(row, order, from, to, base, 1, errors);
      addErrors(row, order, from, to, other, -1, errors);
    }
  }
  const gains = Array.from({ length: Math.ceil(cols / base.block) }, (_, block) => {
    const places = errors.subarray(block * base.block, (block + 1) * base.block);
    const short = places.length < base.block;
    return { block, gain: short ? Infinity : places.reduce((sum, error, i) => sum + error * squares[order[block * base.block + i]!]!, 0) };
  });
  const chosen = new Set(gains.toSorted((a, b) => (a.gain === b.gain ? a.block - b.block : b.gain - a.gain)).slice(0, moved).map(({ block }) => block));
  const places = [...order.keys()];
  const isMoved = (place: number): boolean => chosen.has(Math.floor(place / base.block));
  return Int32Array.from([...places.filter((place) => !isMoved(place)), ...places.filter(isMoved)], (place) => order[place]!);
}
