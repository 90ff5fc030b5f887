import type { SiteSamples } from '../../calibrate/samples.ts';

/** Tokens and output channels that a search looks at, evenly spread: a bound on its time. */
const TOKENS = 64;
export const ROWS = 128;

/** How a linear's weights [rows, cols] and inputs [tokens, cols] look after quantising and back. */
export interface SiteRounding {
  weights(values: Float32Array, rows: number): Float32Array;
  inputs(values: Float32Array): Float32Array;
}

/** Evenly spread indices below `count`, at most `most`. */
export const spread = (count: number, most: number): number[] =>
  Array.from({ length: Math.min(count, most) }, (_, i) => Math.floor((i * count) / Math.min(count, most)));

/** x w^T: f64 [tokens, rows]. */
function product(x: Float32Array, w: Float32Array, cols: number): Float64Array {
  const rows = w.length / cols;
  const out = new Float64Array((x.length / cols) * rows);
  for (let t = 0; t * cols < x.length; t++) {
    for (let row = 0; row < rows; row++) {
      let [a, b] = [0, 0];
      const [from, other] = [t * cols, row * cols];
      for (let k = 0; k < cols - 1; k += 2) {
        a += x[from + k]! * w[other + k]!;
        b += x[from + k + 1]! * w[other + k + 1]!;
      }
      if (cols % 2 === 1) a += x[from + cols - 1]! * w[other + cols - 1]!;
      out[t * rows + row] = a + b;
    }
  }
  return out;
}

/**
 * Which of the factors [cols] give the least squared error of x w^T when inputs are divided and weights multiplied by them before both are quantised;
 * of equal ones the first. weights: f32 [rows, cols].
 */
export function leastError(tried: readonly Float64Array[], samples: SiteSamples, weights: Float32Array, cols: number, round: SiteRounding): number {
  const tokens = spread(samples.tokens, TOKENS);
  const inputs = new Float32Array(tokens.length * cols);
  tokens.forEach((token, i) => inputs.set(samples.rows.subarray(token * cols, (token + 1) * cols), i * cols));
  const exact = product(inputs, weights, cols);
  let [best, least] = [0, Infinity];
  tried.forEach((factors, i) => {
    const w = round.weights(weights.map((value, at) => value * factors[at % cols]!), weights.length / cols);
    const x = round.inputs(inputs.map((value, at) => value / factors[at % cols]!));
    const error = product(x, w, cols).reduce((sum, value, at) => sum + (value - exact[at]!) * (value - exact[at]!), 0);
    if (error >= least) return;
    least = error;
    best = i;
  });
  return best;
}
