import { TetradError } from '../core/errors.ts';

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

/** Widths of a KV cache: also the short form of `KvFormat`, for the default of that width. */
export type KvBits = 4 | 8 | 32;

/** A KV cache packed to 4 bits, asymmetric; the page being filled holds 8 bits until it is full. */
export interface Kv4Format {
  readonly bits: 4;
  /** Tokens per K scale of a channel, inside a page of 64. */
  readonly keyGroup: 32 | 64;
  /** Channels per V scale of a token; the last group of a head may be shorter. */
  readonly valueGroup: 16 | 32 | 64;
  /** Bits at which page 0 stays, which holds the attention sinks (Xiao et al., Efficient Streaming Language Models with Attention Sinks, 2023). */
  readonly firstPage: 4 | 8;
}

/** How keys and values are cached. 8: symmetric, one scale per token and head; 32: f32. */
export type KvFormat = Kv4Format | { readonly bits: 8 } | { readonly bits: 32 };

export const KV4: Kv4Format = { bits: 4, keyGroup: 32, valueGroup: 32, firstPage: 8 };
export const KV8: KvFormat = { bits: 8 };
export const KV32: KvFormat = { bits: 32 };

/** The default format of a width. Throws `invalid_argument` for any other. */
export function kvFormat(bits: KvBits): KvFormat {
  const format = [KV4, KV8, KV32].find((row) => row.bits === bits);
  if (format) return format;
  throw new TetradError('invalid_argument', `Cannot use a KV cache of ${String(bits)} bits: there is none, needed is 4, 8 or 32`);
}
