import type { ModelConfig } from './config.ts';
import type { TokenizerData } from '../core/tokenizer-data.ts';

/**
 * A quantised source's own grid, for recipes that take it over without loss.
 * Value of code q in group g: `scale[g] * q + min[g]`, or `scale[g] * (q - zero)` where `min` is null.
 */
export interface SourceGrid {
  readonly bits: 4 | 8;
  /** Codes per scale along a row. */
  readonly group: number;
  /** [rows * cols], one code a byte, unsigned (an int8 source is stored plus 128). */
  readonly codes: Uint8Array;
  /** [rows * cols / group], f16 bits. */
  readonly scale: Uint16Array;
  /** [rows * cols / group], f16 bits; null for a symmetric grid. */
  readonly min: Uint16Array | null;
  /** Zero point of a symmetric grid (8 or 128); 0 where `min` is given. */
  readonly zero: number;
}

/** One tensor, read lazily. A vector has shape [1, n]. Rows are output channels, columns input channels. */
export interface WeightTensor {
  readonly name: string;
  readonly rows: number;
  readonly cols: number;
  /** The source's own type, such as `Q4_1` or `BF16`. */
  readonly type: string;
  /** Dequantised rows [from, to) as f32, row-major, bit-exact. */
  read(from: number, to: number, signal?: AbortSignal): Promise<Float32Array>;
  /** The grid's geometry, where the source has one that a recipe can keep. */
  readonly grid: { readonly bits: 4 | 8; readonly group: number; readonly hasMin: boolean } | null;
  /** The grid of rows [from, to); rejects with `unsupported_type` where `grid` is null. */
  readGrid(from: number, to: number, signal?: AbortSignal): Promise<SourceGrid>;
}

/**
 * A checkpoint behind canonical names, whatever file it came from. Names:
 * `embed`, `output` (absent if tied), `norm`, and per layer `layers.N.` + `attn.norm attn.q attn.k attn.v attn.o mlp.norm mlp.gate mlp.up mlp.down`.
 * Rows of q and k are in rotate-half order.
 */
export interface WeightStore {
  readonly config: ModelConfig;
  readonly tokenizer: TokenizerData;
  readonly provenance: Provenance;
  has(name: string): boolean;
  /** Throws `missing_tensor`. */
  tensor(name: string): WeightTensor;
  close(): Promise<void>;
}

export interface Provenance {
  /** File name of the source, without its folders. */
  readonly source: string;
  readonly format: 'gguf' | 'safetensors' | 'synthetic';
  readonly license: string | null;
}
