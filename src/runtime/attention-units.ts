import { attentionScratch } from '../backends/backend.ts';
import { PAGE } from '../formats/descriptor.ts';
import { kvHeadBytes } from '../formats/kv-layout.ts';
import { ceilTo } from '../formats/layout.ts';
import { KV32, isCodes, type KvFormat } from '../formats/number-format.ts';
import type { ModelConfig } from '../models/config.ts';

/*
 * How attention is cut into units of work. Pages go in chunks of CHUNK; a chunk's softmax starts anew, and chunks are merged in ascending order. So sums
 * depend on positions only, never on how many units there are or who computes them. Up to SPLIT tokens, a unit is a KV head and a chunk, and the
 * partial results meet afterwards; of more tokens, it is a KV head and RANGE tokens, over all chunks.
 */

/** Pages of a chunk. */
export const CHUNK = 4;
/** Most tokens whose chunks are units of their own. */
export const SPLIT = 4;
/** Tokens of a unit otherwise. */
export const RANGE = 16;

type Heads = Pick<ModelConfig, 'heads' | 'kvHeads' | 'headDim'>;

export const chunksOf = (pages: number): number => Math.ceil(pages / CHUNK);

/** Bytes of a block of partial results, the unnormalised outputs of `tokens` queries of one KV head and then their states: whole cache lines. */
export const partialBytes = ({ heads, kvHeads, headDim }: Heads, tokens: number): number => ceilTo(tokens * (heads / kvHeads) * (headDim + 2) * 4, 64);

/** Bytes of the blocks [chunks][kvHeads] of up to SPLIT tokens. */
export const partialsBytes = (config: Heads, context: number): number =>
  chunksOf(Math.ceil(context / PAGE)) * config.kvHeads * partialBytes(config, SPLIT);

/** Bytes of the scratch of one thread but for the page: the kernels', and two blocks, a range's chunks so far and its present one. */
export const blockScratchBytes = (config: Heads): number => attentionScratch(config.headDim) + 2 * partialBytes(config, RANGE);

/** Bytes of the scratch of one thread: where the cache holds codes, a head of a page as f32 comes last. */
export const unitScratchBytes = (config: Heads, kv: KvFormat): number => blockScratchBytes(config) + (isCodes(kv) ? kvHeadBytes(KV32, config.headDim) : 0);
