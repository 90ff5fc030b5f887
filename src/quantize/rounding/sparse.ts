import type { Panel } from './panel.ts';

/** Single weights beside the grids: `starts` u32 [rows + 1]; `entries`: channel in the low half, f16 in the high half; by row, channels ascending. */
export interface SparseRows {
  readonly starts: Uint32Array;
  readonly entries: Uint32Array;
}

/** Weights of a panel that are stored beside the grids: the same number for each, so that sizes do not depend on values. */
export const sparseCount = (share: number, rows: number, cols: number): number => Math.round(share * rows * cols);

/** Marks the `count` weights on a grid with the largest scores, u8 [rows, cols]; of equal ones the first. scores: f64 [rows, cols], from 0. */
export function markLargest(scores: Float64Array, { rows, cols, grids }: Panel, count: number): Uint8Array {
  const own = scores.map((score, at) => (grids.blockOf[at % cols]! < 0 ? -1 : score));
  const sorted = own.toSorted();
  const least = count === 0 ? Infinity : sorted[Math.max(0, sorted.length - count)]!;
  const kept = Uint8Array.from(own, (score) => (score > least ? 1 : 0));
  let left = count - kept.reduce((sum, one) => sum + one, 0);
  for (let at = 0; at < rows * cols && left > 0 && least >= 0; at++) {
    if (own[at] !== least) continue;
    kept[at] = 1;
    left--;
  }
  return kept;
}

/** Entries of panels, row after row. */
export function sparseRows(panels: readonly Panel[]): SparseRows {
  const starts: number[] = [0];
  const entries: number[] = [];
  for (const { rows, cols, kept, residuals } of panels) {
    for (let row = 0; row < rows; row++) {
      for (let c = 0; c < cols; c++) {
        const at = row * cols + c;
        if (kept?.[at]) entries.push((c | (residuals[at]! << 16)) >>> 0);
      }
      starts.push(entries.length);
    }
  }
  return { starts: Uint32Array.from(starts), entries: Uint32Array.from(entries) };
}

/** Entries of rows that follow one another. */
export function joinSparse(parts: readonly SparseRows[]): SparseRows {
  let before = 0;
  const starts = [0];
  for (const part of parts) {
    for (const end of part.starts.subarray(1)) starts.push(before + end);
    before += part.entries.length;
  }
  return { starts: Uint32Array.from(starts), entries: Uint32Array.from(parts.flatMap(({ entries }) => [...entries])) };
}
