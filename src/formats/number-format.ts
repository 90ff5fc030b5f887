/**
 * How the weights of one segment are stored. Codes are unsigned; the value of code q of a row in a block is `s * q + m`:
 *
 * | zero  | m                    | side data per row and block |
 * |-------|----------------------|-----------------------------|
 * | `mid` | -(2^(bits-1)) * s    | none (symmetric)            |
 * | `int` | -z * s, z in 0..255  | u8                          |
 * | `min` | a real number        | f16, or i8 times a bf16 per row where the scales are `u8` |
 *
 * `s` is an f16, or for `u8` scales `rowScale (bf16) * code (u8)`: two levels.
 */
export interface WeightFormat {
  readonly bits: 4 | 6 | 8;
  /** Channels per scale: 32, 64 or 128; the last block of a segment may be shorter. */
  readonly block: 32 | 64 | 128;
  readonly scale: 'f16' | 'u8';
  readonly zero: 'mid' | 'int' | 'min';
}

/** Unquantised weights: f32 in panels. */
export interface FloatFormat {
  readonly bits: 32;
}

/** How a linear's input is quantised: symmetric, dynamic, one scale per token and block. */
export interface ActFormat {
  readonly bits: 4 | 8;
  /** Channels per scale; a multiple of the weight block. */
  readonly block: 32 | 64 | 128;
  /** The scale is `clip * absmax / (2^(bits-1) - 1)`. */
  readonly clip: number;
}

/** Bits of a closed KV page. 4: K per channel and 32 tokens, V per token and 32 channels; 8: per token and head; 32: f32. */
export type KvBits = 4 | 8 | 32;
