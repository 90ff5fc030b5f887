/**
 * Prompt-lookup speculation with the embedded model: rates with and without, in alternating runs; the texts must be equal.
 * Usage: npm run bench -- speculation [ROUNDS]
 */
import type { GenerationResult } from '../src/generate/generation.ts';
import type { GenerateOptions } from '../src/generate/model.ts';
import type { ChatMessage } from '../src/tokenizer/chat-template.ts';
import { load } from '../src/surfaces/adapters/node.ts';
import { SPECULATION_PROMPTS } from './speculation-prompts.ts';

const rounds = Number(process.argv[2] ?? 3);
const SAMPLING: Readonly<Record<string, GenerateOptions>> = { greedy: { temperature: 0 }, sampled: { temperature: 0.7, seed: 1 } };
const SETTINGS = [false, 'auto', 3, 7] as const;

await using model = await load(undefined, { context: 2048 });
const rate = ({ usage, timings }: GenerationResult): number => (usage.completionTokens * 1000) / timings.completionMs;

console.log(`node ${process.versions.node}, best of ${rounds} rounds, 192 tokens at most\n`);
console.log('| prompt | sampling | tokens | off, tokens/s | auto | 3 | 7 | auto: accepted of guessed | 7: accepted of guessed | same text |\n|---|---|---:|---:|---:|---:|---:|---:|---:|---|');
for (const [name, content] of Object.entries(SPECULATION_PROMPTS)) {
  const messages: ChatMessage[] = [{ role: 'user', content }];
  for (const [sampling, options] of Object.entries(SAMPLING)) {
    const best = SETTINGS.map(() => 0);
    const results: GenerationResult[] = [];
    for (let round = 0; round < rounds; round++) {
      for (const [i, speculate] of SETTINGS.entries()) {
        const result = await model.chat(messages, { ...options, maxTokens: 192, speculate }).result;
        results[i] = result;
        best[i] = Math.max(best[i]!, rate(result));
      }
    }
    const same = results.every(({ text }) => text === results[0]!.text);
    const rates = best.map((value, i) => (i === 0 ? value.toFixed(1) : `${value.toFixed(1)} (${(value / best[0]!).toFixed(2)}x)`));
    const shares = [1, 3].map((i) => `${results[i]!.timings.acceptedTokens} of ${results[i]!.timings.draftedTokens}`);
    console.log(`| ${name} | ${sampling} | ${results[0]!.usage.completionTokens} | ${rates.join(' | ')} | ${shares.join(' | ')} | ${same ? 'yes' : 'NO'} |`);
    if (!same) process.exitCode = 1;
  }
}
