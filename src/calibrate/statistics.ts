import { TetradError } from '../core/errors.ts';
import type { SiteSamples } from './samples.ts';

/** Throws `invalid_argument` naming the site where a sum over squares of its activations is not finite. */
export function checkFinite(name: string, sum: number): void {
  if (!Number.isFinite(sum)) throw new TetradError('invalid_argument', `Cannot calibrate: activations at ${name} are not finite, needed are numbers that f32 holds`);
}

/** Statistics of one site as its rows pass by. */
export class SiteStatistics {
  readonly #name: string;
  readonly #cols: number;
  /** Rows kept whole: those of tokens 0, spacing, 2 * spacing, ... */
  readonly #rows: Float32Array;
  readonly #most: number;
  readonly #spacing: number;
  readonly #squares: Float64Array;
  readonly #minimum: Float32Array;
  readonly #maximum: Float32Array;
  #seen = 0;
  #kept = 0;

  constructor(name: string, cols: number, most: number, spacing: number) {
    this.#name = name;
    this.#cols = cols;
    this.#most = most;
    this.#spacing = spacing;
    this.#rows = new Float32Array(most * cols);
    this.#squares = new Float64Array(cols);
    this.#minimum = new Float32Array(cols).fill(Infinity);
    this.#maximum = new Float32Array(cols).fill(-Infinity);
  }

  /** Rows [tokens, stride] of the tokens from number `first` on. Throws `invalid_argument` where a value is not finite. */
  add(values: Float32Array, tokens: number, stride: number, first: number): void {
    const cols = this.#cols;
    const squares = this.#squares;
    const minimum = this.#minimum;
    const maximum = this.#maximum;
    for (let t = 0; t < tokens; t++) {
      const row = t * stride;
      for (let c = 0; c < cols; c++) {
        const x = values[row + c]!;
        squares[c]! += x * x;
        if (x < minimum[c]!) minimum[c] = x;
        if (x > maximum[c]!) maximum[c] = x;
      }
      if (this.#kept < this.#most && first + t >= Math.floor(this.#kept * this.#spacing)) this.#rows.set(values.subarray(row, row + cols), this.#kept++ * cols);
    }
    this.#seen += tokens;
    checkFinite(this.#name, squares.reduce((sum, square) => sum + square, 0)); // of f32 values: no overflow in f64
  }

  finish(): SiteSamples {
    const seen = this.#seen;
    return {
      rows: this.#rows.subarray(0, this.#kept * this.#cols),
      tokens: this.#kept,
      meanSquare: Float32Array.from(this.#squares, (sum) => sum / Math.max(1, seen)),
      absmax: this.#maximum.map((most, c) => Math.max(most, -this.#minimum[c]!)),
      minimum: this.#minimum,
      maximum: this.#maximum,
    };
  }
}
