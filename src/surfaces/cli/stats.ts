import type { GenerationResult } from '../../generate/generation.ts';
import { duration, pairs } from './format.ts';

const rate = (tokens: number, ms: number): number | null => (ms > 0 && tokens > 0 ? (tokens * 1000) / ms : null);
const shown = (value: number | null): string => (value === null ? '-' : `${value.toFixed(2)} tokens/s`);

/** The figures of `--verbose`, named as ollama names them. */
export function statistics({ usage, timings }: GenerationResult, loadMs: number): string {
  const fresh = usage.promptTokens - usage.cachedTokens;
  return pairs([
    ['total duration:', duration(loadMs + timings.promptMs + timings.completionMs)],
    ['load duration:', duration(loadMs)],
    ['prompt eval count:', `${fresh} token(s)`],
    ['prompt eval duration:', duration(timings.promptMs)],
    ['prompt eval rate:', shown(rate(fresh, timings.promptMs))],
    ['eval count:', `${usage.completionTokens} token(s)`],
    ['eval duration:', duration(timings.completionMs)],
    ['eval rate:', shown(rate(usage.completionTokens, timings.completionMs))],
    ['guessed tokens:', `${timings.acceptedTokens} of ${timings.draftedTokens} accepted`],
  ], '');
}

/** What `--json` says of a generation. */
export function resultJson(result: GenerationResult, loadMs: number): Record<string, unknown> {
  const { text, tokens, usage, timings, finishReason, seed } = result;
  const { promptTokens, completionTokens, cachedTokens } = usage;
  return {
    text, tokens, finishReason, seed,
    usage: { promptTokens, completionTokens, totalTokens: promptTokens + completionTokens, cachedTokens },
    timings: {
      loadMs, promptMs: timings.promptMs, completionMs: timings.completionMs,
      promptPerSecond: rate(promptTokens - cachedTokens, timings.promptMs), completionPerSecond: rate(completionTokens, timings.completionMs),
      draftedTokens: timings.draftedTokens, acceptedTokens: timings.acceptedTokens,
    },
  };
}
