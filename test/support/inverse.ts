/** The inverse by Gauss-Jordan elimination with row exchanges. */
export function inverse(matrix: Float64Array, size: number): Float64Array {
  const left = Array.from({ length: size }, (_, i) => [...matrix.subarray(i * size, (i + 1) * size), ...Array.from({ length: size }, (__, j) => (i === j ? 1 : 0))]);
  for (let p = 0; p < size; p++) {
    const best = left.slice(p).reduce((at, row, i) => (Math.abs(row[p]!) > Math.abs(left[at]![p]!) ? p + i : at), p);
    [left[p], left[best]] = [left[best]!, left[p]!];
    left[p] = left[p]!.map((x) => x / left[p]![p]!);
    for (let i = 0; i < size; i++) if (i !== p) left[i] = left[i]!.map((x, j) => x - left[i]![p]! * left[p]![j]!);
  }
  return Float64Array.from(left.flatMap((row) => row.slice(size)));
}
