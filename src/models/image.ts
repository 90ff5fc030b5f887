import type { OnProgress } from '../core/bytes.ts';
import { ROW_BLOCK } from '../formats/descriptor.ts';
import type { ActFormat, FloatFormat, KvFormat, WeightFormat } from '../formats/number-format.ts';
import type { ModelConfig } from './config.ts';
import type { TokenizerData } from '../core/tokenizer-data.ts';

/** Version of the manifest and of the image's layout; readers accept every older one. 2: branches, rotations, f16, 3 bits, static and asymmetric activations. 3: the vocabulary as one text. */
export const FORMAT_VERSION = 3;
/** Every array of an image starts at a multiple of this many bytes. */
export const IMAGE_ALIGNMENT = 64;
/** An image is cut every so many bytes into the shards of a container, and to be hashed: static hosts accept files of 25 MiB. */
export const SHARD_BYTES = 24 * 1024 * 1024;

/** Where an array lies in the image: bytes from its start, 64-byte aligned. */
export interface ArrayRef {
  readonly offset: number;
  readonly bytes: number;
}

/** A contiguous range of a linear's (permuted) input channels with one weight and one activation format. */
export interface Segment {
  /** [from, to) in permuted channels; `from` is a multiple of 16. */
  readonly k: readonly [number, number];
  readonly weight: WeightFormat | FloatFormat;
  /** Absent: activations stay f32. Segments with it come before those without. */
  readonly act?: ActFormat;
  /** Packed panels (`formats/layout.ts`). */
  readonly data: ArrayRef;
  /** Scales `u8` and `bf16`: bf16 pairs (scale, min) of every row, [ceil16(rows)] u32 (`formats/row-scales.ts`). */
  readonly rowScales?: ArrayRef;
  /** Static activations: pairs (scale, centre) of every activation block, f32. */
  readonly actScales?: ArrayRef;
}

/** Something that is added to the sum of a linear's segments. Its inputs are the linear's (rotated, permuted) input in f32. */
export type Branch =
  /** up [rows, rank] * (down [rank, cols] * x), in panels of `bits`. */
  | { readonly kind: 'lowRank'; readonly rank: number; readonly bits: FloatFormat['bits']; readonly down: ArrayRef; readonly up: ArrayRef }
  /** Single weights: `starts` u32 [rows + 1], then `entries` u32 [starts[rows]]: channel in the low half, f16 value in the high half; by row, channels ascending. */
  | { readonly kind: 'sparse'; readonly starts: ArrayRef; readonly entries: ArrayRef };

/** `y[rows] = sum over segments + sum over branches`. */
export interface Linear {
  readonly rows: number;
  readonly cols: number;
  /** The input is multiplied by the orthonormal Hadamard matrix of its width (`core/hadamard.ts`), before it is permuted. */
  readonly rotate?: true;
  /** i32 [cols]: channel of the producer's output that each input channel gathers; absent: in order. */
  readonly permute?: ArrayRef;
  readonly segments: readonly Segment[];
  readonly branches?: readonly Branch[];
}

/**
 * Everything about a packed model but its bytes.
 * Linears: `output` (also the embedding table if tied), `embed` (untied only; rows are looked up, never multiplied), and per layer
 * `layers.N.attn.qkv` (rows q, k, v), `layers.N.attn.o`, `layers.N.mlp.gate_up` (rows gate, up), `layers.N.mlp.down`.
 * Vectors (f32): `norm`, `layers.N.attn.norm`, `layers.N.mlp.norm`; with a static KV cache `layers.N.attn.kv`: [k, v][scale, min][kvHeads * headDim].
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
  /**
   * Hidden states are those of the source times the orthonormal Hadamard matrix of their width: embeddings are multiplied by it when they are looked up,
   * the last norm's input by its inverse.
   */
  readonly rotated?: true;
  /** The KV cache that the recipe asks for; loading may choose another. */
  readonly kv: KvFormat;
  /** Text for people: where the weights came from and what was done to them. */
  readonly provenance: Readonly<Record<string, unknown>>;
}

/** Activation blocks of a segment of `length` channels. */
export const actBlocks = (act: ActFormat, length: number): number => (act.block === 'row' ? 1 : Math.ceil(length / act.block));

/** What the integer kernels cannot do with a weight and an activation format in one segment, or null. */
export function integerProblem(weight: WeightFormat, act: ActFormat): string | null {
  if (weight.bits === 3 || weight.block === 16 || weight.scale === 'u3') {
    return `weights of ${weight.bits} bits in blocks of ${weight.block} with ${weight.scale} scales, needed for integer activations are 4, 6 or 8 bits in larger blocks and other scales`;
  }
  const block = weight.block === 'row' ? ROW_BLOCK : weight.block;
  if (act.block === 'row' || act.block % block === 0) return null;
  return `an activation block of ${act.block}, needed is a multiple of the weight block, ${block}`;
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
  /** SHA-256 of its cuts of SHARD_BYTES, in lower-case hexadecimal, where they are known before it is read. */
  readonly cuts?: readonly string[] | undefined;
  close(): Promise<void>;
}

export interface CopyOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}
