import { MEMORY_PAGE } from '../backends/backend.ts';
import { TetradError } from '../core/errors.ts';
import { ceilTo } from '../formats/layout.ts';
import type { KvFormat } from '../formats/number-format.ts';
import type { Manifest } from '../models/image.ts';
import type { MemoryLayout } from './layout.ts';
import { splitPlan, type Memories } from './split.ts';

export interface EstimateOptions {
  /** Tokens of KV cache. */
  readonly context: number;
  readonly kv: KvFormat;
  readonly threads?: number | undefined;
  /** Most rows of logits that one pass gives. Default 1. */
  readonly logitRows?: number | undefined;
  /** KV caches. Default 1. */
  readonly sequences?: number | undefined;
  /** Memories that the layers are shared out over. Default `auto`, as few as can hold them. */
  readonly memories?: Memories | undefined;
}

/** What a model will need, in bytes, before anything is loaded: the same sums that loading allocates. */
export interface Estimate {
  readonly weights: number;
  readonly kv: number;
  /** Kernel descriptors and RoPE tables. */
  readonly tables: number;
  /** Buffers of a block of 64 tokens, the rows of logits, and each thread's scratch. */
  readonly activations: number;
  /** Linear memory in all, in whole WebAssembly pages. JavaScript's own heap (tokenizer, sampler, code) comes on top: some 17 MB. */
  readonly total: number;
  /** The same of each memory: several where one cannot hold the model, or several were asked for. */
  readonly memories: readonly number[];
  readonly platforms: readonly { readonly name: string; readonly limit: number; readonly fits: boolean }[];
}

/** Published memory limits per instance, bytes; the JavaScript heap shares them. */
const PLATFORMS = [
  { name: 'Cloudflare Workers isolate', limit: 128e6 },
  { name: 'AWS Lambda, smallest', limit: 128 * 2 ** 20 },
  { name: 'Deno Deploy', limit: 512 * 2 ** 20 },
  { name: 'Vercel Functions, Hobby', limit: 2 * 2 ** 30 },
  { name: 'WebAssembly, 32-bit memory', limit: 4 * 2 ** 30 },
] as const;

/** JavaScript's heap beside linear memory: tokenizer, sampler and code, measured with the 49k vocabulary of SmolLM2 (docs/benchmarks.md). */
const HEAP_ALLOWANCE = 17e6;

export function estimate(manifest: Manifest, { context, kv, threads, logitRows = 1, sequences = 1, memories: wanted }: EstimateOptions): Estimate {
  const parts = splitPlan(manifest, { context, kv, threads, logitRows, sequences }, wanted);
  const sum = (of: (layout: MemoryLayout) => number): number => parts.reduce((bytes, { layout }) => bytes + of(layout), 0);
  const memories = parts.map(({ layout }) => ceilTo(layout.total, MEMORY_PAGE));
  const total = memories.reduce((bytes, memory) => bytes + memory, 0);
  const platforms = PLATFORMS.map((platform) => ({ ...platform, fits: total + HEAP_ALLOWANCE <= platform.limit }));
  return {
    weights: sum((layout) => layout.parts.weights), kv: sum((layout) => layout.parts.kv), tables: sum((layout) => layout.parts.tables),
    activations: sum((layout) => layout.parts.activations), total, memories, platforms,
  };
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

/** Throws `over_budget` with the figures if the model needs more than `budget` bytes of linear memory. */
export function checkBudget({ total, weights, kv, tables, activations }: Estimate, budget: number): void {
  if (total <= budget) return;
  const parts = `weights ${megabytes(weights)}, KV cache ${megabytes(kv)}, the rest ${megabytes(tables + activations)}`;
  throw new TetradError('over_budget', `Cannot load the model: it needs ${megabytes(total)} (${parts}), the budget is ${megabytes(budget)}`);
}
