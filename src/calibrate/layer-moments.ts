import { PAGE } from '../formats/descriptor.ts';
import type { Counts, LayerStack } from '../runtime/stack.ts';
import { checkFinite } from './statistics.ts';

/** Mean second moments of a linear's input x, f32 [cols, cols], channels as the linear's producer emits them (after its rotation, where it has one). */
export interface LinearMoments {
  /** x x^T over tokens. */
  readonly input: Float32Array;
  /** (x' - x) x^T over tokens, x' the input in the f32 model; null: not asked for. */
  readonly drift: Float32Array | null;
  /** By KV head: a a^T over queries, a what a query averages of x (`runtime/moments.ts`); null where it was not asked for, or heads do not divide x. */
  readonly values: { readonly headDim: number; readonly matrices: readonly Float32Array[] } | null;
}

export interface CountOptions {
  /** Tokens at the start of each sequence that are left out. */
  readonly skip: number;
  /** Averages are taken of one in `every` blocks of 64 queries; null: of none. */
  readonly every: number | null;
}

/** What counts in sequence number `sequence`. Pages take turns, so that short and long reaches of attention are seen alike. */
export const countsOf = ({ skip, every }: CountOptions, sequence: number): Counts => ({
  from: skip,
  ...(every !== null && { attention: (page: number) => (page + sequence) % every === 0 }),
});

/** Tokens that count in sequences of these lengths, and those of them whose averages do. */
function counted(lengths: readonly number[], options: CountOptions): { readonly tokens: number; readonly queries: number } {
  let [tokens, queries] = [0, 0];
  for (const [sequence, length] of lengths.entries()) {
    const { from, attention } = countsOf(options, sequence);
    for (let start = 0; start < length; start += PAGE) {
      const many = Math.max(0, Math.min(length, start + PAGE) - Math.max(start, from));
      tokens += many;
      if (attention?.(start / PAGE)) queries += many;
    }
  }
  return { tokens, queries };
}

function mean(name: string, sum: Float32Array, count: number): Float32Array {
  const size = Math.sqrt(sum.length);
  let trace = 0;
  for (let i = 0; i < size; i++) trace += sum[i * size + i]!;
  checkFinite(name, trace);
  for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! / Math.max(1, count);
  return sum;
}

/** What a stack of one layer, number `layer` of its model, has summed up over sequences of these lengths. Throws `invalid_argument` where it is not finite. */
export function layerMoments(stack: LayerStack, layer: number, lengths: readonly number[], options: CountOptions): Map<string, LinearMoments> {
  const { config, linears } = stack.manifest;
  const { tokens, queries } = counted(lengths, options);
  const named = (name: string): string => name.replace('layers.0.', `layers.${layer}.`);
  const averages = queries > 0 ? stack.moments?.averages(0) : null;
  const queryRows = (queries * config.heads) / config.kvHeads;
  return new Map(Object.keys(linears).flatMap((own): [string, LinearMoments][] => {
    const sum = stack.moments?.inputs(own);
    if (!sum) return [];
    const name = named(own);
    const input = mean(name, sum, tokens);
    const differences = stack.moments!.drift(own);
    const drift = differences && mean(name, differences, tokens);
    const values = own.endsWith('.attn.qkv') && averages ? { headDim: config.headDim, matrices: averages.map((matrix) => mean(name, matrix, queryRows)) } : null;
    return [[name, { input, drift, values }]];
  }));
}
