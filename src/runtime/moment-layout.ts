import { PAGE } from '../formats/descriptor.ts';
import { kvHeadBytes } from '../formats/kv-layout.ts';
import { ceilTo, padded } from '../formats/layout.ts';
import { KV32 } from '../formats/number-format.ts';
import type { ModelConfig } from '../models/config.ts';
import { IMAGE_ALIGNMENT, type Manifest } from '../models/image.ts';
import type { Arena } from './arena.ts';
import { keepsValues } from './linear-parts.ts';

/** Which second moments are summed up while a model runs. */
export interface MomentOptions {
  /** Besides those of linears' inputs, those of the averages that attention takes of `attn.qkv`'s. */
  readonly attention: boolean;
  /** What inputs differ by from those of another run of the same tokens. */
  readonly drift: boolean;
}

/** Of one linear: the sums, f32 [cols, cols], and the other run's inputs of a block, f32 [PAGE, cols] padded to whole panels. */
export interface DriftPlace {
  readonly sum: number;
  readonly kept: number;
}

/** Where second moments are summed up. */
export interface MomentLayout {
  /** i32 [3]: leading rows of a block that do not count; what is done about attention and about drift (`moments.ts`). */
  readonly switches: number;
  /** By linear of the layers that multiplies f32 values: f32 [cols, cols], of which the upper triangle is written. */
  readonly inputs: Readonly<Record<string, number>>;
  /** By the same linears; null: not asked for. */
  readonly drift: Readonly<Record<string, DriftPlace>> | null;
  /** null: not asked for, or not possible. */
  readonly attention: {
    /** By layer: f32 [kvHeads][hidden, hidden], upper triangles. */
    readonly sums: readonly number[];
    /** f32 KV caches of the model's keys and, in the place of values, one head's width of inputs: [hidden / headDim, cacheBytes]. */
    readonly caches: number;
    readonly cacheBytes: number;
    /** f32 [kvHeads][PAGE, heads / kvHeads][hidden] */
    readonly averages: number;
    /** f32 [PAGE, heads * headDim], of the rank alone. */
    readonly out: number;
  } | null;
  /** All sums: bytes [from, to). */
  readonly from: number;
  readonly to: number;
}

/** Whether inputs can take the place of values: they are whole heads. */
const canAverage = ({ hidden, headDim }: Pick<ModelConfig, 'hidden' | 'headDim'>): boolean => hidden % headDim === 0;

const square = (size: number): number => size * size * 4;

/** `outStride`: f32 of a row of attention's results. */
export function placeMoments(
  arena: Arena, { config, linears }: Pick<Manifest, 'config' | 'linears'>, options: MomentOptions,
  { context, outStride, threads, rank }: { readonly context: number; readonly outStride: number; readonly threads: number; readonly rank: number },
): MomentLayout {
  const { layers, hidden, heads, kvHeads, headDim } = config;
  const switches = arena.take(12);
  const from = arena.end;
  const summed = Object.entries(linears).filter(([name, linear]) => name.startsWith('layers.') && keepsValues(linear));
  const place = (bytes: (cols: number) => number): Record<string, number> => Object.fromEntries(summed.map(([name, { cols }]) => [name, arena.take(bytes(cols))]));
  const inputs = place(square);
  const differences = options.drift ? place(square) : null;
  const averaged = options.attention && canAverage(config);
  const sums = Array.from({ length: averaged ? layers : 0 }, () => arena.take(kvHeads * square(hidden)));
  const to = arena.end;
  const kept = differences && place((cols) => PAGE * padded(cols) * 4);
  const drift = differences && Object.fromEntries(Object.entries(differences).map(([name, sum]) => [name, { sum, kept: kept![name]! }]));
  if (!averaged) return { switches, inputs, drift, attention: null, from, to };
  const cacheBytes = ceilTo(layers * Math.ceil(context / PAGE) * kvHeads * kvHeadBytes(KV32, headDim), IMAGE_ALIGNMENT);
  const caches = arena.take((hidden / headDim) * cacheBytes);
  const averages = arena.take(PAGE * heads * hidden * 4);
  const outs = Array.from({ length: threads }, () => arena.take(PAGE * outStride * 4));
  return { switches, inputs, drift, attention: { sums, caches, cacheBytes, averages, out: outs[rank]! }, from, to };
}
