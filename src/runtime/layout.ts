import { ATTENTION_SCRATCH, GEMM_SCRATCH } from '../backends/backend.ts';
import { PAGE, SEGMENT_BYTES } from '../formats/descriptor.ts';
import { keptPages, kvHeadBytes, openFormat } from '../formats/kv-layout.ts';
import { ceilTo, padded } from '../formats/layout.ts';
import type { KvFormat } from '../formats/number-format.ts';
import { inputShape } from '../kernels/segment.ts';
import { IMAGE_ALIGNMENT, type Linear, type Manifest, type Segment } from '../models/image.ts';
import { Arena } from './arena.ts';

export interface LayoutOptions {
  /** Tokens of KV cache. */
  readonly context: number;
  readonly kv: KvFormat;
  /** Rows of logits kept: a few to generate, PAGE to evaluate every position. */
  readonly logitRows: number;
  /** KV caches, each of `context` tokens. */
  readonly sequences: number;
}

/** A segment with integer codes. */
export type QuantSegment = Segment & { readonly weight: Exclude<Segment['weight'], { bits: 32 }>; readonly act: NonNullable<Segment['act']> };

export const isQuantised = (segment: Segment): segment is QuantSegment => segment.weight.bits !== 32;

/** The integer segments of a linear with their lengths; empty for an f32 linear. */
export const quantSegments = (linear: Linear): (QuantSegment & { length: number })[] =>
  linear.segments.filter(isQuantised).map((s) => ({ ...s, length: s.k[1] - s.k[0] }));

/** Every address of a loaded model, in bytes. Pure arithmetic: `estimate` and the decoder use the same figures. */
export interface MemoryLayout {
  /** [manifest.bytes], as in the container. */
  readonly image: number;
  /** Descriptor table of each quantised linear. */
  readonly tables: Readonly<Record<string, number>>;
  /** f32 [context, headDim]: per position headDim / 2 cosines, then sines. */
  readonly rope: number;
  /** [sequences, kvBytes] */
  readonly kv: number;
  /** Bytes of one sequence's KV cache, padded as addresses are. */
  readonly kvBytes: number;
  /** Residual stream, f32 [PAGE, hidden]. Widths below are padded to whole panels. */
  readonly x: number;
  /** f32 [PAGE, (heads + 2 kvHeads) * headDim] */
  readonly qkv: number;
  /** f32 [PAGE, heads * headDim] */
  readonly attention: number;
  /** f32 [PAGE, 2 ffn] */
  readonly gateUp: number;
  /** f32 [logitRows, vocab] */
  readonly logits: number;
  /** Producer output: f32 [PAGE, widest input] for f32 linears, else one row. */
  readonly values: number;
  /** i8 [PAGE, widest input] */
  readonly codes: number;
  /** f32 and i32 [PAGE, most blocks] */
  readonly scales: number;
  readonly sums: number;
  /** f32 [PAGE, group, 2] */
  readonly attentionState: number;
  /** f32 [headDim, PAGE] and [PAGE, headDim] */
  readonly keys: number;
  readonly valueTile: number;
  readonly gemmScratch: number;
  readonly attentionScratch: number;
  /** Bytes of all, and of each part. */
  readonly total: number;
  readonly parts: { readonly weights: number; readonly kv: number; readonly tables: number; readonly activations: number };
}

/** Bytes of one layer's KV cache: the kept pages and the page being filled in their open form, then every other page packed. */
export function kvLayerBytes(format: KvFormat, context: number, kvHeads: number, headDim: number): number {
  const pages = Math.ceil(context / PAGE);
  const open = Math.min(keptPages(format) + 1, pages);
  return kvHeads * (open * kvHeadBytes(openFormat(format), headDim) + (pages - open) * kvHeadBytes(format, headDim));
}

/** Address 0 stays unused, so that 0 can mean "none". */
const BASE = 1024;

export function layoutMemory(manifest: Manifest, options: LayoutOptions): MemoryLayout {
  const { hidden, heads, kvHeads, headDim, ffn, vocab, layers } = manifest.config;
  const arena = new Arena(BASE);
  const image = arena.take(manifest.bytes);
  const weightsEnd = arena.end;

  const linears = Object.entries(manifest.linears);
  const tables: Record<string, number> = {};
  for (const [name, linear] of linears) tables[name] = arena.take(Math.max(1, quantSegments(linear).length) * SEGMENT_BYTES);
  const rope = arena.take(options.context * headDim * 4);
  const tablesEnd = arena.end;

  const kvBytes = ceilTo(layers * kvLayerBytes(options.kv, options.context, kvHeads, headDim), IMAGE_ALIGNMENT);
  const kv = arena.take(options.sequences * kvBytes);
  const kvEnd = arena.end;

  const multiplied = linears.filter(([name]) => name !== 'embed').map(([, linear]) => linear);
  const widest = Math.max(...multiplied.map((linear) => padded(linear.cols)));
  const blocks = Math.max(1, ...multiplied.map((linear) => inputShape(quantSegments(linear)).blocks));
  const floats = multiplied.some((linear) => !linear.segments.every(isQuantised));
  const rows = (width: number): number => arena.take(PAGE * padded(width) * 4);
  const x = rows(hidden);
  const qkv = rows((heads + 2 * kvHeads) * headDim);
  const attention = rows(heads * headDim);
  const gateUp = rows(2 * ffn);
  const logits = arena.take(options.logitRows * padded(vocab) * 4);
  const values = arena.take((floats ? PAGE : 1) * widest * 4);
  const codes = arena.take(PAGE * widest);
  const scales = arena.take(PAGE * blocks * 4);
  const sums = arena.take(PAGE * blocks * 4);
  const attentionState = arena.take(PAGE * (heads / kvHeads) * 8);
  const keys = arena.take(PAGE * headDim * 4);
  const valueTile = arena.take(PAGE * headDim * 4);
  const gemmScratch = arena.take(GEMM_SCRATCH);
  const attentionScratch = arena.take(ATTENTION_SCRATCH);

  return {
    image, tables, rope, kv, kvBytes, x, qkv, attention, gateUp, logits, values, codes, scales, sums, attentionState, keys, valueTile, gemmScratch, attentionScratch,
    total: arena.end,
    parts: { weights: weightsEnd, tables: tablesEnd - weightsEnd, kv: kvEnd - tablesEnd, activations: arena.end - kvEnd },
  };
}
