/**
 * JavaScript's heap over 10,000 generated tokens, after a collection every 1,000: flat but for the context's tokens, 8 bytes each in the lists that keep
 * them. A tiny model of random weights; drawn text is half noise, so guesses are run and dropped. Usage: npm run bench -- heap
 */
import { KV4 } from '../src/formats/number-format.ts';
import { Candidates } from '../src/generate/candidates.ts';
import { TokenRun } from '../src/generate/generator.ts';
import { Sampler } from '../src/generate/sampler.ts';
import { resolveSampling, type SamplingOptions } from '../src/generate/sampling-options.ts';
import { Sequence } from '../src/generate/sequence.ts';
import { LOGIT_ROWS, Speculator } from '../src/generate/speculation.ts';
import { recipe } from '../src/quantize/registry.ts';
import { quantize } from '../src/quantize/run.ts';
import { createDecoder } from '../src/runtime/decoder.ts';
import { opener } from '../src/surfaces/adapters/node.ts';
import { tinyStore } from '../test/support/tiny-model.ts';
import { heapBytes } from './heap.ts';

const TOKENS = 10_000;
const context = 10_240;
const image = quantize(tinyStore({ config: { context, layers: 1 } }), recipe('w4a8'));
const decoder = await createDecoder(image, await opener(), { context, kv: KV4, logitRows: LOGIT_ROWS });
const bias = { logitBias: { 97: 6, 98: 6, 99: 6 } };
const CASES: Readonly<Record<string, SamplingOptions>> = {
  greedy: { temperature: 0 },
  drawn: { seed: 1, ...bias },
  'all penalties': { seed: 1, ...bias, typicalP: 0.95, repetitionPenalty: 1.05, frequencyPenalty: 0.0001, presencePenalty: 0.01 },
};

console.log(`heap in KiB after 1,000 to ${TOKENS} tokens\n\n| sampling | ${Array.from({ length: 10 }, (_, i) => i + 1).join(' | ')} | bytes per token from 2,000 on | guesses accepted |\n|---|${'---:|'.repeat(12)}`);
for (const [name, options] of Object.entries(CASES)) {
  const sampler = new Sampler(new Candidates(decoder.vocab), resolveSampling(options, decoder.vocab));
  const run = new TokenRun(new Sequence(decoder), [1, 2, 3], {
    sampler, speculator: new Speculator(context), speculate: 7, end: new Set(), maxTokens: TOKENS, now: () => performance.now(),
  });
  const sizes: number[] = [];
  let count = 0;
  for await (const _ of run) if (++count % 1000 === 0) sizes.push(heapBytes());
  const growth = (sizes.at(-1)! - sizes[1]!) / (TOKENS - 2000);
  const { acceptedTokens, draftedTokens } = run.timings;
  console.log(`| ${name} | ${sizes.map((bytes) => (bytes / 1024).toFixed(0)).join(' | ')} | ${growth.toFixed(1)} | ${acceptedTokens} of ${draftedTokens} |`);
}
