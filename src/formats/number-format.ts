import { TetradError } from '../core/errors.ts';

/**
 * How the weights of one segment are stored. Codes are unsigned; the value of code q of a row in a block is `s * q + m`:
 *
 * | zero  | m                    | side data per row and block |
 * |-------|----------------------|-----------------------------|
 * | `mid` | -(2^(bits-1)) * s    | none (symmetric)            |
 * | `int` | -z * s, z in 0..255  | u8                          |
 * | `min` | a real number        | f16, or i8 times a bf16 per row where the scales are `u8`, or a bf16 per row where they are `bf16` |
 * | `u3`  | -z * s, z real       | 3 bits on a grid that 16 rows of a block share; only with `u3` scales |
 *
 * | scale  | s                                                                            |
 * |--------|------------------------------------------------------------------------------|
 * | `f16`  | an f16 per row and block                                                     |
 * | `u8`   | `rowScale (bf16) * code (u8)`: two levels                                    |
 * | `bf16` | a bf16 per row, nothing per block; with `block: 'row'`                       |
 * | `u3`   | 3 bits on a grid (f16 scale and minimum) that 16 rows of a block share; only with f32 activations |
 */
export interface WeightFormat {
  /** 3: only with f32 activations. */
  readonly bits: 3 | 4 | 6 | 8;
  /** Channels per scale; the last block of a segment may be shorter. 16: only with f32 activations. `row`: all channels of the segment. */
  readonly block: 16 | 32 | 64 | 128 | 'row';
  readonly scale: 'f16' | 'u8' | 'bf16' | 'u3';
  readonly zero: 'mid' | 'int' | 'min' | 'u3';
}

/** Weights as numbers: f32 or f16, in panels. */
export interface FloatFormat {
  readonly bits: 16 | 32;
}

/** Whether weights are codes on a grid. */
export const isGrid = (format: WeightFormat | FloatFormat): format is WeightFormat => 'scale' in format;

/** Channels of a block in a segment of `length` channels. */
export const blockLength = (block: WeightFormat['block'], length: number): number => (block === 'row' ? length : block);

/** How a linear's input is quantised, one scale per token and block. */
export interface ActFormat {
  readonly bits: 4 | 8;
  /** Channels per scale; a multiple of the weight block. `row`: all channels of the segment. */
  readonly block: 32 | 64 | 128 | 'row';
  /** Factor on the range. Symmetric: the scale is `clip * absmax / (2^(bits-1) - 1)`. */
  readonly clip: number;
  /**
   * `min`: asymmetric, `x = scale * code + centre`, codes -127..127 or -8..7, with the range from minimum to maximum, clipped around its middle.
   * Default: symmetric.
   */
  readonly zero?: 'min';
  /** `static`: scale (and centre) of a block are constants from calibration, and values beyond the codes are clamped. Default: from each token's values. */
  readonly range?: 'static';
  /** Values of at least this magnitude stay f32, each for itself. Default: none do. */
  readonly outliers?: number;
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

/**
 * A KV cache whose codes are asymmetric and never repacked: x = scale * code + min. `token`: f16 scale and minimum of each token and head, as it is
 * appended. `static`: of each channel, constants of the image.
 */
export interface KvCodesFormat {
  readonly bits: 4 | 8;
  readonly per: 'token' | 'static';
  /** Whether keys are cached before RoPE turns them; attention then turns them whenever it reads them. */
  readonly rope: 'before' | 'after';
  /** Queries and keys are multiplied by the Hadamard matrix of a head after RoPE; not with `rope: 'before'`. */
  readonly rotate?: true;
}

/** How keys and values are cached. Without `per` at 8 bits: symmetric, one scale per token and head; 32: f32. */
export type KvFormat = Kv4Format | KvCodesFormat | { readonly bits: 8 } | { readonly bits: 32 };

/** Whether a cache is packed when a page is full. */
export const isPaged = (format: KvFormat): format is Kv4Format => 'keyGroup' in format;
/** Whether a cache holds codes that attention expands. */
export const isCodes = (format: KvFormat): format is KvCodesFormat => 'per' in format;

export const KV4: Kv4Format = { bits: 4, keyGroup: 32, valueGroup: 32, firstPage: 8 };
export const KV8 = { bits: 8 } as const satisfies KvFormat;
export const KV32 = { bits: 32 } as const satisfies KvFormat;

/** The default format of a width. Throws `invalid_argument` for any other. */
export function kvFormat(bits: KvBits): KvFormat {
  const format = [KV4, KV8, KV32].find((row) => row.bits === bits);
  if (format) return format;
  throw new TetradError('invalid_argument', `Cannot use a KV cache of ${String(bits)} bits: there is none, needed is 4, 8 or 32`);
}
