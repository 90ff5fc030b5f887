import { addProducts } from '../algebra/products.ts';
import type { FitBlock } from './fit.ts';
import type { SegmentGrid } from './grids.ts';
import type { Hessian } from './hessian.ts';
import { refitBlock, roundAt, type Panel } from './panel.ts';

/** Columns whose errors reach the columns after them together. */
const PIECE = 32;

/** Places [from, to) of the order of rounding, and the blocks whose grids are fitted when it begins. */
interface Piece {
  readonly from: number;
  readonly to: number;
  readonly refits: readonly (readonly [segment: SegmentGrid, block: number])[];
}

/**
 * Cuts the order into pieces. With `updated` grids a piece begins where a block does: at the first of its channels to be rounded, which for blocks whose
 * channels lie together is all of them.
 */
function piecesOf(panel: Panel, order: Int32Array, isUpdated: boolean): Piece[] {
  const { grids } = panel;
  const end = order.findIndex((channel) => grids.blockOf[channel]! < 0);
  const last = end < 0 ? order.length : end;
  const starts = new Map<number, [SegmentGrid, number][]>();
  if (isUpdated) {
    const seen = new Set<number>();
    const blocks = grids.segments.flatMap((segment) => Array.from({ length: segment.blocks }, (_, b): [SegmentGrid, number] => [segment, b]));
    for (let i = 0; i < last; i++) {
      const block = grids.blockOf[order[i]!]!;
      if (seen.has(block)) continue;
      seen.add(block);
      starts.set(i, [...(starts.get(i) ?? []), blocks[block]!]);
    }
  }
  const pieces: Piece[] = [];
  for (let from = 0; from < last;) {
    let to = from + 1;
    while (to < last && to - from < PIECE && !starts.has(to)) to++;
    pieces.push({ from, to, refits: starts.get(from) ?? [] });
    from = to;
  }
  return pieces;
}

/**
 * Rounds a panel column by column (Frantar et al., GPTQ, 2022): with H^-1 = U^T U, the error e = (w - rounded) / U_ii of a column is made up for by
 * w_j -= e U_ij in the columns after it. Channels that stay numbers come last and take the compensation in full.
 *
 * @param fit how grids are fitted when their block begins; null: they stay.
 * @param scores f64 [rows, cols], written: e^2, what rounding this weight adds to the error of the output.
 */
export function sweep(panel: Panel, { order, factor }: NonNullable<Hessian['sweep']>, fit: FitBlock | null, scores: Float64Array | null): void {
  const { rows, cols } = panel;
  const place = new Int32Array(cols);
  order.forEach((channel, i) => (place[channel] = i));
  const rest = new Float64Array(rows * cols);
  for (let at = 0; at < rows * cols; at += cols) {
    for (let i = 0; i < cols; i++) rest[at + i] = panel.target[at + order[i]!]!;
  }
  const errors = new Float64Array(rows * PIECE);
  const matrix = { data: factor, at: 0, stride: cols };
  let done = 0;
  for (const { from, to, refits } of piecesOf(panel, order, fit !== null)) {
    for (const [segment, block] of refits) refitBlock(panel, segment, block, rest, place, fit!);
    for (let row = 0; row < rows; row++) {
      const at = row * cols;
      for (let i = from; i < to; i++) {
        const channel = order[i]!;
        const pivot = i * cols;
        const error = (rest[at + i]! - roundAt(panel, row, channel, rest[at + i]!)) / factor[pivot + i]!;
        errors[row * PIECE + i - from] = -error;
        if (scores !== null) scores[at + channel] = error * error;
        for (let j = i + 1; j < to; j++) rest[at + j] = rest[at + j]! - error * factor[pivot + j]!;
      }
    }
    const step = { ...matrix, at: from * cols };
    addProducts({ data: rest, at: 0, stride: cols }, { data: errors, at: 0, stride: PIECE }, rows, step, to - from, to, cols);
    done = to;
  }
  for (let row = 0; row < rows; row++) {
    for (let i = done; i < cols; i++) roundAt(panel, row, order[i]!, rest[row * cols + i]!);
  }
}
