import type { OnProgress } from '../core/bytes.ts';
import type { ActFormat, FloatFormat, KvFormat, WeightFormat } from '../formats/number-format.ts';
import type { ModelConfig } from './config.ts';
import type { TokenizerData } from '../core/tokenizer-data.ts';

/** Version of the manifest and of the image's layout; readers accept every older one. */
export const FORMAT_VERSION = 1;
/** Every array of an image starts at a multiple of this many bytes. */
export const IMAGE_ALIGNMENT = 64;

/** Where an array lies in the image: bytes from its start, 64-byte aligned. */
export interface ArrayRef {
  readonly offset: number;
  readonly bytes: number;
}

/** A contiguous range of a linear's (permuted) input channels with one weight and one activation format. */
export interface Segment {
  /** [from, to) in permuted channels. */
  readonly k: readonly [number, number];
  readonly weight: WeightFormat | FloatFormat;
  /** Absent for f32 weights: activations stay f32. */
  readonly act?: ActFormat;
  /** Packed panels (`formats/layout.ts`). */
  readonly data: ArrayRef;
  /** Two-level scales only: bf16 pairs (scale, min) of every row, [ceil16(rows)] u32 (`formats/row-scales.ts`). */
  readonly rowScales?: ArrayRef;
}

/** `y[rows] = sum over segments`; all segments of a linear are either f32 or quantised. */
export interface Linear {
  readonly rows: number;
  readonly cols: number;
  /** i32 [cols]: channel of the producer's output that each input channel gathers; absent: in order. */
  readonly permute?: ArrayRef;
  readonly segments: readonly Segment[];
}

/**
 * Everything about a packed model but its bytes.
 * Linears: `output` (also the embedding table if tied), `embed` (untied only; rows are looked up, never multiplied), and per layer
 * `layers.N.attn.qkv` (rows q, k, v), `layers.N.attn.o`, `layers.N.mlp.gate_up` (rows gate, up), `layers.N.mlp.down`.
 * Vectors (f32): `norm`, `layers.N.attn.norm`, `layers.N.mlp.norm`.
 */
export interface Manifest {
  readonly format: 'tetrad';
  readonly version: number;
  readonly config: ModelConfig;
  readonly tokenizer: TokenizerData;
  readonly linears: Readonly<Record<string, Linear>>;
  readonly vectors: Readonly<Record<string, ArrayRef>>;
  /** Size of the image. */
  readonly bytes: number;
  /** The KV cache that the recipe asks for; loading may choose another. */
  readonly kv: KvFormat;
  /** Text for people: where the weights came from and what was done to them. */
  readonly provenance: Readonly<Record<string, unknown>>;
}

/** A run of image bytes that can be produced on its own. Pieces come in ascending order without gaps. */
export interface Piece {
  readonly offset: number;
  readonly bytes: number;
  /** Writes the piece; `target.length === bytes`. */
  fill(target: Uint8Array, signal?: AbortSignal): Promise<void>;
}

/** A packed model: from a container or straight from a quantiser. Loading and writing are the same walk. */
export interface ModelImage {
  readonly manifest: Manifest;
  pieces(): Iterable<Piece> | AsyncIterable<Piece>;
  /** Pieces that may be filled at once; default 1. */
  readonly parallel?: number | undefined;
  close(): Promise<void>;
}

export interface CopyOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}
