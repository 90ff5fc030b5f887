import { FLOAT_CHUNK, GEMM_CHUNK, PAGE, PANEL } from '../formats/descriptor.ts';

/** What the decoder needs of an engine: types and sizes. `open.ts` is the one file that knows the implementations. */

/** Linear memory with one view per element type. It never grows after a backend is opened, so views stay valid. */
export interface LinearMemory {
  readonly buffer: ArrayBufferLike;
  readonly u8: Uint8Array;
  readonly i8: Int8Array;
  readonly u16: Uint16Array;
  readonly i32: Int32Array;
  readonly f32: Float32Array;
}

/**
 * Kernels over addresses (bytes) in linear memory. Every implementation gives the same bits: each f32 operation is rounded once, in the order
 * written down in `backends/reference/`, and integer sums are exact.
 *
 * Quantised activations of T tokens: `codes` i8 [T, codesStride], channels in segment order, zero in the padding; `scales` f32 and `sums` i32
 * [T, blocksStride], one entry per weight block (an activation block's scale is repeated for its weight blocks), then in `scales` the centres of asymmetric
 * activation blocks, which `gemm` leaves to its caller (`gemmF32` over the sums of each block's weights).
 * Strides of f32 and i32 arrays count elements, those of codes count bytes.
 */
export interface Kernels {
  /**
   * out[t, r] = (residual ? out[t, r] : 0) + sum over blocks b of scales[t, b] * (s[r, b] * dot + m[r, b] * sums[t, b])
   * for rows of panels [firstPanel, lastPanel); `backends/reference/gemm.ts` has the order of the sums. `scratch`: `gemmScratchBytes`, 16-byte aligned.
   */
  gemm(
    segments: number, count: number, codes: number, codesStride: number, scales: number, sums: number, blocksStride: number,
    out: number, outStride: number, tokens: number, firstPanel: number, lastPanel: number, residual: number, scratch: number,
  ): void;
  /** Runs `rounds` of 8 dot products on registers, to be timed: 8 on the plain path and 16 on the others multiply-accumulates each. `scratch`: 32 bytes. */
  dotRate(rounds: number, scratch: number): void;
  /** out[t, r] = (residual ? out[t, r] : 0) + sum over k, ascending, of x[t, k] * w[r, k]; panels [K][16]. */
  gemmF32(
    weights: number, length: number, x: number, xStride: number,
    out: number, outStride: number, tokens: number, firstPanel: number, lastPanel: number, residual: number,
  ): void;

  /**
   * out[t, r] = (residual ? out[t, r] : 0) + sum over k of x[t, from + k] * w[r, k] for the weights of one descriptor (`writeFloatRow`), of any format: a
   * code's value is `s * q + m`, each operation rounded. FLOAT_CHUNK channels are summed from 0, ascending, and the sums are added in ascending order.
   * `scratch`: `floatScratchBytes`.
   */
  gemmFloat(
    segment: number, x: number, xStride: number, out: number, outStride: number, tokens: number, firstPanel: number, lastPanel: number, residual: number,
    scratch: number,
  ): void;
  /** out[t, r] += sum over the row's entries, from 0 and ascending, of x[t, channel] * value. `starts` u32 [rows + 1], `entries` u32 (`models/image.ts`). */
  sparse(starts: number, entries: number, x: number, xStride: number, out: number, outStride: number, tokens: number, firstRow: number, lastRow: number): void;
  /**
   * out[t, r] = out[t, r] + x[t, k] * w[r, k], one after another, for the segments with SEG_OUTLIERS and their channels k, ascending, where |x[t, k]| is at
   * least that. Rows of x are as a producer leaves `values`.
   */
  outliers(
    segments: number, count: number, x: number, xStride: number, out: number, outStride: number, tokens: number, firstPanel: number, lastPanel: number,
  ): void;
  /**
   * Multiplies rows in place by a matrix H = M (x) S, `length` = order * 2^n, a multiple of 4: first S, the unnormalised Sylvester-Hadamard matrix, on each
   * run of 2^n channels, by butterflies of distance 1, 2, 4, ...; then M f32 [order, order] across the runs, sums from 0 and ascending. `order`: a multiple
   * of 4, or 1: M is only a factor. `scratch`: 16 bytes an order.
   */
  hadamard(x: number, xStride: number, tokens: number, length: number, order: number, matrix: number, scratch: number): void;
  /**
   * gram[i, j] += sum over t of x[t, i] * x[t, j], f32 [length, length], for j from the first row of i's panel on, for units [firstUnit, lastUnit) of
   * ceil(panels / 2): unit u holds rows of panels u and panels - 1 - u, 16 rows each. PAGE tokens are summed from 0, ascending, and the sums are added in
   * ascending order. `scratch`: GRAM_SCRATCH bytes.
   */
  gram(x: number, xStride: number, tokens: number, length: number, gram: number, firstUnit: number, lastUnit: number, scratch: number): void;
  /** The same of two inputs: gram[i, j] += sum over t of x[t, i] * y[t, j] for all j, and i in panels [firstPanel, lastPanel) of 16 rows. */
  crossGram(
    x: number, xStride: number, y: number, yStride: number, tokens: number, length: number, gram: number, firstPanel: number, lastPanel: number, scratch: number,
  ): void;

  /*
   * Producers: values[t, i] = f(x[t, index[i]]) for i < length (index 0: identity), zero up to the next multiple of 16, then, where count > 0,
   * quantised by the segments. valuesStride 0 reuses one row as scratch.
   */
  /** f(x)[c] = x[c] / sqrt(mean(x^2) + eps) * gamma[i]; gamma is stored in gathered order. */
  rmsnormQuant(
    x: number, xStride: number, tokens: number, length: number, gamma: number, eps: number, index: number, values: number, valuesStride: number,
    segments: number, count: number, codes: number, codesStride: number, scales: number, sums: number, blocksStride: number,
  ): void;
  /** x[t] = gate [length] then up [length]; f = silu(gate) * up. */
  siluMulQuant(
    x: number, xStride: number, tokens: number, length: number, index: number, values: number, valuesStride: number,
    segments: number, count: number, codes: number, codesStride: number, scales: number, sums: number, blocksStride: number,
  ): void;
  /** f = identity. */
  gatherQuant(
    x: number, xStride: number, tokens: number, length: number, index: number, values: number, valuesStride: number,
    segments: number, count: number, codes: number, codesStride: number, scales: number, sums: number, blocksStride: number,
  ): void;

  /** Brings the u6 codes of panels [firstPanel, lastPanel) from the container's layout to that of linear memory, in place. */
  repackU6(segments: number, count: number, firstPanel: number, lastPanel: number): void;
  /** Dequantises row `row` of a segment table into out[0, length) f32: `s * q + m`. */
  embed(segments: number, count: number, row: number, out: number): void;
  /** The same from f32 panels. */
  embedF32(weights: number, length: number, row: number, out: number): void;

  /** Rotates `heads` consecutive heads of each row in place, pairs (i, i + headDim / 2). table[t]: headDim / 2 cosines, then as many sines. */
  rope(x: number, xStride: number, tokens: number, heads: number, headDim: number, table: number): void;

  /*
   * KV pages hold PAGE tokens of all KV heads of a layer, head after head (`formats/kv-layout.ts`).
   * k and v address row 0 of the first head; rows are `stride` f32 apart; `slot` is the first token's place in the page.
   */
  kvAppendF32(k: number, v: number, stride: number, tokens: number, kvHeads: number, headDim: number, page: number, slot: number): void;
  /** 8 bits per token and head, symmetric, f32 scale. */
  kvAppendI8(k: number, v: number, stride: number, tokens: number, kvHeads: number, headDim: number, page: number, slot: number): void;
  /**
   * Converts a full 8-bit page to 4 bits: K per channel and keyGroup tokens (32, 64), V per token and valueGroup channels (a multiple of 4) of
   * each half of a head; asymmetric, f16 scale and minimum.
   */
  kvClose(page8: number, page4: number, kvHeads: number, headDim: number, keyGroup: number, valueGroup: number): void;

  /*
   * Pages of codes (`KvCodesFormat`), `bits` wide. `constants`: f32 [k, v][scale, min][channels] from the first channel of the (first) head on; 0: each token
   * and head has its own. They are written with the tokens.
   */
  kvAppendCodes(
    k: number, v: number, stride: number, tokens: number, kvHeads: number, headDim: number, page: number, slot: number, bits: number, constants: number,
    channels: number,
  ): void;
  /** The first `tokens` tokens of one head of a page of codes as a page of f32. `table`: RoPE's rows of those tokens, to turn the keys by, or 0. */
  kvExpand(head: number, tokens: number, headDim: number, bits: number, constants: number, channels: number, table: number, page: number): void;

  /*
   * One KV head's softmax attention over `pages` consecutive pages, `pageBytes` apart, for `tokens` queries of `group` heads each (online softmax;
   * Milakov and Gimelshein 2018). q: rows `qStride` apart, group heads consecutive. out f32 [tokens, group, headDim], not yet normalised;
   * state f32 [tokens, group, 2] = running maximum, sum; `fresh` starts both anew. Query t sees `visible` + t tokens, counted from the first page, of
   * which the last page holds at least one. Scores are multiplied by `scale`. `scratch`: attentionScratch() bytes.
   */
  attentionF32(
    q: number, qStride: number, tokens: number, group: number, headDim: number, scale: number,
    page: number, pages: number, pageBytes: number, visible: number, out: number, state: number, fresh: number, scratch: number,
  ): void;
  attentionI8(
    q: number, qStride: number, tokens: number, group: number, headDim: number, scale: number,
    page: number, pages: number, pageBytes: number, visible: number, out: number, state: number, fresh: number, scratch: number,
  ): void;
  /** Over full pages of 4 bits. */
  attentionU4(
    q: number, qStride: number, tokens: number, group: number, headDim: number, scale: number,
    page: number, pages: number, pageBytes: number, keyGroup: number, valueGroup: number, out: number, state: number, fresh: number, scratch: number,
  ): void;
  /** Adds the attention of `rows` queries over later pages, part f32 [rows, headDim] and its state, to that over earlier ones. */
  attentionMerge(out: number, state: number, part: number, partState: number, rows: number, headDim: number): void;
  /** out[t, h] = sums[t, h] / state's sum, for `group` heads; rows of out are `outStride` apart. */
  attentionFinish(sums: number, state: number, tokens: number, group: number, headDim: number, out: number, outStride: number): void;
}

/**
 * Bytes of `gemm`'s scratch for an input of `channels` (padded) in `segments` segments: f32 tiles, a chunk of unpacked codes, the factors and offsets of
 * a panel's sub-blocks, and the activations of PAGE tokens as i16 for the plain path (`assembly/lib/gemm_scratch.ts`).
 */
export function gemmScratchBytes(channels: number, segments: number): number {
  const subs = Math.ceil(channels / 32) + segments;
  return 576 + 3 * PAGE * PANEL * 4 + 64 * GEMM_CHUNK + 256 * subs + 8 * PAGE * subs + 128 + 2 * PAGE * channels;
}

/** Bytes of `gemmFloat`'s scratch: scales and offsets of 16 rows, then a panel of up to FLOAT_CHUNK channels as f32. */
export const floatScratchBytes = (channels: number): number => 128 + Math.min(FLOAT_CHUNK, Math.ceil(channels / 16) * 16) * PANEL * 4;

/** Bytes of `gram`'s and `crossGram`'s scratch: two panels of channels, f32 [PAGE][16], and a tile of 16 by 16. Fits in `gemm`'s. */
export const GRAM_SCRATCH = (2 * PAGE + PANEL) * PANEL * 4;

/**
 * Bytes of the scratch of attention over pages, in blocks of up to 3 queries: constants and states; queries, results and scores f32 [4, n], with n a head,
 * a head and a page; scaled vectors f32 [4, m] and codes i16 [4, m], with m the longer of a head and a page.
 */
export const attentionScratch = (headDim: number): number => {
  const depth = Math.ceil(headDim / 32) * 32;
  return 704 + 16 * (2 * depth + 64) + 24 * Math.max(64, depth);
};

export interface Backend {
  /** `reference` or `wasm`. */
  readonly name: string;
  /** The chosen kernels: `scalar`, `simd128`, `relaxed-i16` or `relaxed-i32`. */
  readonly path: string;
  readonly memory: LinearMemory;
  readonly kernels: Kernels;
  /** What `attach` (`open.ts`) needs to open the same kernels over the same memory on another thread; null: the memory belongs to one thread. */
  readonly handle: unknown;
}

/** Memory comes in whole WebAssembly pages. */
export const MEMORY_PAGE = 65536;

/** Opens a backend over fresh zeroed memory of `bytes` bytes, rounded up to whole pages. Throws `out_of_memory`. */
export type OpenBackend = (bytes: number) => Backend;
