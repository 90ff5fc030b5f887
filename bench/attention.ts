/**
 * Attention as a whole, whatever kernels it is made of: the time of a block at a depth less the time of the same block in an empty context,
 * which the linears have in common.
 */
import { PAGE } from '../src/formats/descriptor.ts';
import type { Isa } from '../src/kernels/manifest.ts';
import { decoderOf } from '../src/surfaces/loader.ts';
import { EMBEDDED, opener } from '../src/surfaces/adapters/node.ts';
import { benchTokens, blockSizes } from '../src/surfaces/cli/bench-run.ts';
import { openLocal } from '../src/surfaces/adapters/local-models.ts';
import type { Decoder } from '../src/runtime/decoder.ts';
import type { KernelFigure } from './roofline.ts';

const DEPTH = 1024;
const CONTEXT = DEPTH + 2 * PAGE;
const KV_BITS = [4, 8, 32] as const;
const WARM_UP = 4;

/** Milliseconds of one block after `depth` tokens, a value per round; single tokens are averaged over half a page. */
function rounds(decoder: Decoder, depth: number, tokens: number, count: number): number[] {
  const calls = tokens === 1 ? PAGE / 2 : 1;
  const tokenIds = benchTokens(decoder.vocab, tokens);
  return Array.from({ length: count }, () => {
    decoder.truncate(depth);
    const start = performance.now();
    for (let i = 0; i < calls; i++) decoder.forward(tokenIds);
    return (performance.now() - start) / calls;
  });
}

export async function attentionFigures(path: Isa, count: number): Promise<KernelFigure[]> {
  const figures: KernelFigure[] = [];
  for (const kv of KV_BITS) {
    const open = await opener(path);
    const decoder = await decoderOf(await openLocal(EMBEDDED, { open }), { open, context: CONTEXT, kv });
    const { layers, heads, kvHeads, headDim } = decoder.manifest.config;
    for (const tokens of [1, PAGE]) {
      // Deep first: the optimising compiler has every kernel by the time that the short ones are timed.
      for (const size of blockSizes(decoder, DEPTH - decoder.truncate(DEPTH))) decoder.forward(benchTokens(decoder.vocab, size));
      const deep = rounds(decoder, DEPTH, tokens, count + WARM_UP).slice(WARM_UP);
      const empty = Math.min(...rounds(decoder, 0, tokens, count + 1));
      figures.push({
        op: 'attention', label: `KV${kv}`, site: `depth ${DEPTH}`, tokens, path,
        macs: 2 * layers * heads * headDim * DEPTH * tokens, bytes: (2 * layers * kvHeads * headDim * DEPTH * kv) / 8,
        ms: deep.map((ms) => Math.max(1e-6, ms - empty)),
      });
    }
  }
  return figures;
}
