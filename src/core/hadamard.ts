/** A Hadamard matrix of some width as a Kronecker product: M [order, order] of +-1 times a Sylvester matrix of 2^n; `matrix` holds M / sqrt(width). */
export interface Hadamard {
  readonly width: number;
  readonly order: number;
  /** f32 [order, order], row-major, scaled so that the whole is orthonormal. */
  readonly matrix: Float32Array;
}

function isPrime(n: number): boolean {
  for (let d = 2; d * d <= n; d++) if (n % d === 0) return false;
  return n > 1;
}

/**
 * The Jacobsthal matrix of a prime q: 1 where i - j is a square modulo q, -1 where it is none, 0 on the diagonal; bordered by a row of ones and a column of
 * `sign`.
 */
function bordered(q: number, sign: 1 | -1): Int8Array {
  const squares = new Set(Array.from({ length: q - 1 }, (_, i) => ((i + 1) * (i + 1)) % q));
  const size = q + 1;
  const matrix = new Int8Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) {
      if (i === j) continue;
      matrix[i * size + j] = i === 0 ? 1 : j === 0 ? sign : squares.has((i - j + q) % q) ? 1 : -1;
    }
  }
  return matrix;
}

/** Paley's constructions (On orthogonal matrices, 1933) from the primes order - 1 = 3 (mod 4) and order / 2 - 1 = 1 (mod 4); null where neither is one. */
function paley(order: number): Int8Array | null {
  if (order === 1) return Int8Array.of(1);
  if (order % 4 !== 0) return null;
  if (isPrime(order - 1) && (order - 1) % 4 === 3) {
    const matrix = bordered(order - 1, -1);
    for (let i = 0; i < order; i++) matrix[i * order + i] = 1;
    return matrix;
  }
  const half = order / 2;
  if (!isPrime(half - 1) || (half - 1) % 4 !== 1) return null;
  const conference = bordered(half - 1, 1);
  const matrix = new Int8Array(order * order);
  for (let i = 0; i < order; i++) {
    for (let j = 0; j < order; j++) {
      const c = conference[(i >> 1) * half + (j >> 1)]!;
      const both = (i & 1) === 1 && (j & 1) === 1;
      matrix[i * order + j] = c === 0 ? ((i & 1) === 0 && (j & 1) === 0 ? 1 : -1) : both ? -c : c;
    }
  }
  return matrix;
}

/** Largest order of the small factor: its work grows with the square. */
const MOST_ORDER = 256;

/** The Hadamard matrix of a width with the smallest factor that is not a power of two; null where there is none of a known construction. */
export function hadamard(width: number): Hadamard | null {
  if (width < 1) return null;
  let odd = width;
  while (odd % 2 === 0) odd /= 2;
  for (let order = odd; order <= Math.min(width, MOST_ORDER); order *= 2) {
    const signs = paley(order);
    if (signs) return { width, order, matrix: Float32Array.from(signs, (sign) => sign / Math.sqrt(width)) };
  }
  return null;
}

/** The inverse. */
export function transposed({ width, order, matrix }: Hadamard): Hadamard {
  return { width, order, matrix: matrix.map((_, at) => matrix[(at % order) * order + Math.floor(at / order)]!) };
}

/** Multiplies `count` consecutive rows of `width` values by the matrix, in place, in f64. */
export function rotateRows(values: Float64Array | Float32Array, count: number, { width, order, matrix }: Hadamard): void {
  const run = width / order;
  const row = new Float64Array(width);
  const sums = new Float64Array(run);
  for (let from = 0; from < count * width; from += width) {
    row.set(values.subarray(from, from + width));
    for (let distance = 1; distance < run; distance *= 2) {
      for (let i = 0; i < width; i++) {
        if (i & distance) continue;
        const [a, b] = [row[i]!, row[i + distance]!];
        row[i] = a + b;
        row[i + distance] = a - b;
      }
    }
    for (let i = 0; i < order; i++) {
      sums.fill(0);
      for (let j = 0; j < order; j++) {
        const factor = matrix[i * order + j]!;
        for (let c = 0; c < run; c++) sums[c]! += factor * row[j * run + c]!;
      }
      values.set(sums, from + i * run);
    }
  }
}
