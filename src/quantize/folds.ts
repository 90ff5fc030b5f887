import { rotateRows, type Hadamard } from '../core/hadamard.ts';

/** One change of a matrix W [rows, cols]; those along one axis happen in the order in which they are listed. */
export type Fold =
  /** diag(factors) W, or W diag(factors). */
  | { readonly kind: 'scale'; readonly axis: 'rows' | 'columns'; readonly factors: Float64Array }
  /** R W, or W R^T, where R holds the orthonormal Hadamard matrix on its diagonal as often as its width fits into the axis. */
  | { readonly kind: 'rotate'; readonly axis: 'rows' | 'columns'; readonly by: Hadamard }
  /** Row i is what was row order[i]. */
  | { readonly kind: 'order'; readonly order: Int32Array }
  /** All values are one. */
  | { readonly kind: 'ones' };

export const scaled = (axis: 'rows' | 'columns', factors: Float64Array): Fold => ({ kind: 'scale', axis, factors });
export const rotated = (axis: 'rows' | 'columns', by: Hadamard): Fold => ({ kind: 'rotate', axis, by });

/** Changes by canonical tensor name. */
export type Folds = ReadonlyMap<string, readonly Fold[]>;

/** The folds of `first`, then those of `second`. */
export const mergeFolds = (first: Folds, second: Folds): Folds =>
  new Map([...first, ...[...second].map(([name, folds]): [string, readonly Fold[]] => [name, [...(first.get(name) ?? []), ...folds]])]);

/** Whether a row of the result depends on other rows than its own. */
export const mixesRows = (folds: readonly Fold[]): boolean => folds.some((fold) => fold.kind === 'order' || (fold.kind === 'rotate' && fold.axis === 'rows'));

/** Columns that are turned around at once where rows are rotated: a line of cache of each row. */
const STRIPE = 8;

function rotateColumns(values: Float64Array, cols: number, by: Hadamard): void {
  const rows = values.length / cols;
  for (let from = 0; from < cols; from += STRIPE) {
    const count = Math.min(STRIPE, cols - from);
    const stripe = new Float64Array(count * rows); // [count, rows]
    for (let row = 0; row < rows; row++) for (let c = 0; c < count; c++) stripe[c * rows + row] = values[row * cols + from + c]!;
    rotateRows(stripe, stripe.length / by.width, by);
    for (let row = 0; row < rows; row++) for (let c = 0; c < count; c++) values[row * cols + from + c] = stripe[c * rows + row]!;
  }
}

/** Applies folds to rows of a matrix from row `first` on, in place, in f64; to all rows at once where `mixesRows`. values: [rows, cols]. */
export function applyFolds(values: Float64Array, cols: number, first: number, folds: readonly Fold[]): void {
  for (const fold of folds) {
    switch (fold.kind) {
      case 'scale': {
        const byRow = fold.axis === 'rows';
        for (let at = 0, row = first; at < values.length; at += cols, row++) {
          for (let c = 0; c < cols; c++) values[at + c]! *= fold.factors[byRow ? row : c]!;
        }
        break;
      }
      case 'rotate':
        if (fold.axis === 'columns') rotateRows(values, values.length / fold.by.width, fold.by);
        else rotateColumns(values, cols, fold.by);
        break;
      case 'order': {
        const before = values.slice();
        fold.order.forEach((source, row) => values.set(before.subarray(source * cols, (source + 1) * cols), row * cols));
        break;
      }
      case 'ones':
        values.fill(1);
        break;
      default:
        fold satisfies never;
    }
  }
}
