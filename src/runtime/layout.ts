import { floatScratchBytes, gemmScratchBytes } from '../backends/backend.ts';
import { hadamard } from '../core/hadamard.ts';
import { PAGE, PANEL, SEGMENT_BYTES } from '../formats/descriptor.ts';
import { keptPages, kvHeadBytes, openFormat } from '../formats/kv-layout.ts';
import { ceilTo, padded } from '../formats/layout.ts';
import { isCodes, type KvFormat } from '../formats/number-format.ts';
import { inputShape } from '../kernels/segment.ts';
import { IMAGE_ALIGNMENT, type Linear, type Manifest } from '../models/image.ts';
import { Arena } from './arena.ts';
import { partialsBytes, unitScratchBytes } from './attention-units.ts';
import { floatRows, integerSegments, keepsValues, lowRankOf } from './linear-parts.ts';
import { placeMoments, type MomentLayout, type MomentOptions } from './moment-layout.ts';

export interface LayoutOptions {
  /** Tokens of KV cache. */
  readonly context: number;
  readonly kv: KvFormat;
  /** Rows of logits kept: a few to generate, PAGE to evaluate every position. */
  readonly logitRows: number;
  /** Threads that work together; default 1. */
  readonly threads?: number | undefined;
  /** KV caches, each of `context` tokens. */
  readonly sequences: number;
  /** Which second moments are summed up; default: none. */
  readonly moments?: MomentOptions | undefined;
}

/** What the layout and the forward pass need of a manifest: no tokenizer, so that it is quick to post to a worker. */
export interface Plan extends Pick<Manifest, 'config' | 'linears' | 'vectors' | 'bytes' | 'rotated'> {
  /** Number of its first layer, whose names have it; default 0. Others are those of an earlier part (`split.ts`). */
  readonly first?: number | undefined;
}

/** Most tokens of a block whose inputs every rank computes for itself: less work than the barrier that sharing it would take. */
export const OWN_TOKENS = 4;

/** What a producer writes and a GEMM reads. */
export interface InputBuffers {
  /** f32 [tokens, widest input] where a linear multiplies f32 values, else one row of scratch. */
  readonly values: number;
  /** f32 [tokens, widest rotated input]: values before they are permuted. */
  readonly rotated: number;
  /** f32 [tokens, largest rank]: values times the first factors of low-rank branches. */
  readonly low: number;
  /** i8 [tokens, widest input] */
  readonly codes: number;
  /** f32 [tokens, most blocks and centres], i32 [tokens, most blocks and centres] */
  readonly scales: number;
  readonly sums: number;
}

/** Every address of a loaded model as one rank sees it, in bytes. Pure arithmetic: `estimate`, the decoder and every worker use the same figures. */
export interface MemoryLayout {
  /** [manifest.bytes], as in the container. */
  readonly image: number;
  /** Descriptors of each linear: of its integer segments, then of all weights that f32 values are multiplied by (`linear-parts.ts`). */
  readonly tables: Readonly<Record<string, number>>;
  /** Of each linear with asymmetric activations: its weights' sums over each of their blocks, f32 panels [blocks][16], made when the weights are there. */
  readonly centres: ReadonlyMap<string, number>;
  /** Small factors of Hadamard matrices, f32, by the width of the whole; of the inverse of that of hidden states. */
  readonly rotations: ReadonlyMap<number, number>;
  readonly unrotation: number;
  /** f32 [context, headDim]: per position headDim / 2 cosines, then sines. */
  readonly rope: number;
  /** [sequences, kvBytes] */
  readonly kv: number;
  /** Bytes of one sequence's KV cache, padded as addresses are. */
  readonly kvBytes: number;
  /** What a command is about: i32 pairs [sequences in it], sequence and the position of its first token. */
  readonly batch: number;
  /** Residual stream, f32 [PAGE, hidden]. Widths below are padded to whole panels. */
  readonly x: number;
  /** f32 [PAGE, (heads + 2 kvHeads) * headDim] */
  readonly qkv: number;
  /** f32 [PAGE, heads * headDim] */
  readonly attention: number;
  /** f32 [PAGE, gateUpStride] */
  readonly gateUp: number;
  /** f32 [logitRows, vocab] */
  readonly logits: number;
  /** [PAGE] tokens, for blocks whose producers are split over the ranks. With one thread `own` is the same. */
  readonly input: InputBuffers;
  /** Partial results of attention (`attention-units.ts`). */
  readonly attentionPartials: number;
  /** [OWN_TOKENS] tokens; this and all below belong to the rank alone. */
  readonly own: InputBuffers;
  /** Of the GEMMs and of Hadamard products. */
  readonly gemmScratch: number;
  readonly attentionScratch: number;
  /** Second moments; null: none are summed up. */
  readonly moments: MomentLayout | null;
  /** Bytes of all, and of each part. */
  readonly total: number;
  readonly parts: { readonly weights: number; readonly kv: number; readonly tables: number; readonly activations: number };
}

/** Entries of one token in `scales` and in `sums`. */
export function inputStride(linear: Linear): number {
  const { blocks, centres } = inputShape(integerSegments(linear));
  return blocks + centres;
}

/** Bytes of one layer's KV cache: the kept pages and the page being filled in their open form, then every other page packed. */
export function kvLayerBytes(format: KvFormat, context: number, kvHeads: number, headDim: number): number {
  const pages = Math.ceil(context / PAGE);
  const open = Math.min(keptPages(format) + 1, pages);
  return kvHeads * (open * kvHeadBytes(openFormat(format), headDim) + (pages - open) * kvHeadBytes(format, headDim));
}

/**
 * f32 from one token's gate and up to the next one's. Rows of whole 4 KB would all lie in the same few sets of the first cache: a GEMM that writes them for 64
 * tokens is 7 % slower.
 */
export const gateUpStride = (ffn: number): number => padded(2 * ffn) + (padded(2 * ffn) % 1024 === 0 ? PANEL : 0);

/** Address 0 stays unused, so that 0 can mean "none". */
const BASE = 1024;

export function layoutMemory(manifest: Plan, options: LayoutOptions, rank = 0): MemoryLayout {
  const threads = options.threads ?? 1;
  const { hidden, heads, kvHeads, headDim, ffn, vocab, layers } = manifest.config;
  const arena = new Arena(BASE);
  const image = arena.take(manifest.bytes);
  const weightsEnd = arena.end;

  const linears = Object.entries(manifest.linears);
  const tables: Record<string, number> = {};
  for (const [name, linear] of linears) tables[name] = arena.take((integerSegments(linear).length + floatRows(linear).length) * SEGMENT_BYTES);
  const matrix = (width: number): number => arena.take((hadamard(width)?.matrix.length ?? 0) * 4);
  const widths = new Set(linears.flatMap(([, { rotate, cols }]) => (rotate ? [cols] : [])));
  if (manifest.rotated) widths.add(hidden);
  if (isCodes(options.kv) && options.kv.rotate) widths.add(headDim);
  const rotations = new Map([...widths].map((width) => [width, matrix(width)]));
  const unrotation = manifest.rotated ? matrix(hidden) : 0;
  const asymmetric = linears.flatMap(([name, linear]): [string, number][] => {
    const { centres } = inputShape(integerSegments(linear));
    return centres > 0 ? [[name, arena.take(padded(linear.rows) * centres * 4)]] : [];
  });
  const centres = new Map(asymmetric);
  const rope = arena.take(options.context * headDim * 4);
  const tablesEnd = arena.end;

  const kvBytes = ceilTo(layers * kvLayerBytes(options.kv, options.context, kvHeads, headDim), IMAGE_ALIGNMENT);
  const kv = arena.take(options.sequences * kvBytes);
  const kvEnd = arena.end;

  const multiplied = linears.filter(([name]) => name !== 'embed').map(([, linear]) => linear);
  const most = (of: (linear: Linear) => number): number => Math.max(0, ...multiplied.map(of));
  const widest = most(({ cols }) => padded(cols));
  const side = Math.max(1, most((linear) => inputStride(linear)));
  const segments = most((linear) => linear.segments.length);
  const floats = multiplied.some(keepsValues);
  const widestRotated = most(({ rotate, cols }) => (rotate ? padded(cols) : 0));
  const lowRank = most((linear) => lowRankOf(linear)?.rank ?? 0);
  const rows = (width: number): number => arena.take(PAGE * padded(width) * 4);
  const batch = arena.take(PAGE * 8);
  const x = rows(hidden);
  const qkv = rows((heads + 2 * kvHeads) * headDim);
  const attention = rows(heads * headDim);
  const gateUp = rows(gateUpStride(ffn));
  const logits = arena.take(options.logitRows * padded(vocab) * 4);
  const inputs = (tokens: number): InputBuffers => ({
    values: arena.take((floats ? tokens : 1) * widest * 4),
    rotated: arena.take(tokens * widestRotated * 4),
    low: arena.take(tokens * lowRank * 4),
    codes: arena.take(tokens * widest),
    scales: arena.take(tokens * side * 4),
    sums: arena.take(tokens * side * 4),
  });
  const input = inputs(PAGE);
  const attentionPartials = arena.take(partialsBytes(manifest.config, options.context));
  const ranks = Array.from({ length: threads }, () => ({
    own: threads === 1 ? input : inputs(OWN_TOKENS),
    gemmScratch: arena.take(Math.max(gemmScratchBytes(widest, segments), floats ? floatScratchBytes(widest) : 0)),
    attentionScratch: arena.take(unitScratchBytes(manifest.config, options.kv)),
  }));
  const { context } = options;
  const outStride = padded(heads * headDim);
  const moments = options.moments ? placeMoments(arena, manifest, options.moments, { context, outStride, threads, rank }) : null;

  return {
    image, tables, centres, rotations, unrotation, rope, kv, kvBytes, batch, x, qkv, attention, gateUp, logits, input, attentionPartials, ...ranks[rank]!, moments,
    total: arena.end,
    parts: { weights: weightsEnd, tables: tablesEnd - weightsEnd, kv: kvEnd - tablesEnd, activations: arena.end - kvEnd },
  };
}
