/** Rounds after which a matrix of any kind met so far is diagonal to the last bit; convergence is quadratic. */
const MOST_ROUNDS = 30;

/** Eigenvectors of a symmetric matrix f64 [size, size], as rows by descending eigenvalue (cyclic Jacobi rotations). The matrix is spoilt. */
export function symmetricEigen(matrix: Float64Array, size: number): Float64Array {
  const vectors = new Float64Array(size * size);
  for (let i = 0; i < size; i++) vectors[i * size + i] = 1;
  const turn = (data: Float64Array, a: number, b: number, step: number, cosine: number, sine: number): void => {
    for (let k = 0; k < size; k++, a += step, b += step) {
      const x = data[a]!;
      const y = data[b]!;
      data[a] = cosine * x - sine * y;
      data[b] = sine * x + cosine * y;
    }
  };
  for (let round = 0; round < MOST_ROUNDS; round++) {
    let turned = false;
    for (let p = 0; p < size; p++) {
      for (let q = p + 1; q < size; q++) {
        const [pp, qq, pq] = [matrix[p * size + p]!, matrix[q * size + q]!, matrix[p * size + q]!];
        if (pq * pq <= 1e-30 * Math.abs(pp * qq)) continue;
        turned = true;
        const theta = (qq - pp) / (2 * pq);
        const tangent = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
        const cosine = 1 / Math.sqrt(tangent * tangent + 1);
        const sine = tangent * cosine;
        turn(matrix, p * size, q * size, 1, cosine, sine);
        turn(matrix, p, q, size, cosine, sine);
        turn(vectors, p * size, q * size, 1, cosine, sine);
      }
    }
    if (!turned) break;
  }
  const order = Array.from({ length: size }, (_, i) => i).sort((a, b) => matrix[b * size + b]! - matrix[a * size + a]! || a - b);
  const sorted = new Float64Array(size * size);
  order.forEach((from, to) => sorted.set(vectors.subarray(from * size, (from + 1) * size), to * size));
  return sorted;
}
