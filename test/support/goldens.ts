import { readFileSync } from 'node:fs';
import type { Decoder } from '../../src/runtime/decoder.ts';
import { largestDifference, largestMagnitude, lastLogits } from './logits.ts';
import { readF32, readJson } from './tiny.ts';
import { referenceGguf, sharedFile } from './shared.ts';

/** One prompt of goldens/ref-goldens.json. */
export interface GoldenPrompt {
  readonly text: string;
  readonly ids: readonly number[];
  /** Greedy tokens, not stopped at end-of-text. */
  readonly continuation: readonly number[];
  readonly logits_f32_vs_f64_max_abs: number;
  /** Steps whose two best logits lie less than 1e-3 apart: [step, gap]. */
  readonly near_ties_below_1e3: readonly (readonly [number, number])[];
}

export interface Goldens {
  readonly prompts: readonly GoldenPrompt[];
  readonly ppl: Readonly<Record<'wiki@512' | 'wiki@2048', { readonly window_nll: readonly number[] }>>;
  /** [prompts, vocab]: logits of each prompt's last position. */
  readonly logits: Float32Array;
  readonly gguf: string;
  readonly text: string;
}

/** Independent PyTorch results on the reference model, or what is missing. */
export function readGoldens(): Goldens | string {
  const gguf = referenceGguf();
  const json = sharedFile('goldens/ref-goldens.json');
  const logits = sharedFile('goldens/ref-logits.f32');
  const text = sharedFile('data/wikitext-2-test.txt');
  if (!gguf) return 'no SmolLM2-135M-Instruct.Q4_1.gguf: set TETRAD_REF_GGUF or bring it with fetch-ref.sh';
  if (!json || !logits || !text) return 'no goldens in ../shared: set TETRAD_SHARED';
  return { ...readJson<Pick<Goldens, 'prompts' | 'ppl'>>(json), logits: readF32(logits), gguf, text: readFileSync(text, 'utf8') };
}

/** The id of the largest logit, the first of equals. */
export function best(logits: Float32Array): number {
  let top = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[top]!) top = i;
  return top;
}

/** The logits [vocab] after a prompt, and `steps` greedy tokens. */
export function greedy(decoder: Decoder, ids: readonly number[], steps: number): { readonly logits: Float32Array; readonly tokens: readonly number[] } {
  const logits = lastLogits(decoder, ids).slice();
  const tokens = [best(logits)];
  while (tokens.length < steps) tokens.push(best(decoder.forward(tokens.slice(-1))));
  return { logits, tokens };
}

/** How far logits lie from the golden ones of prompt `index`: absolute, and relative to the largest golden logit. */
export function logitError(goldens: Goldens, index: number, logits: Float32Array): { readonly absolute: number; readonly relative: number } {
  const expected = goldens.logits.subarray(index * logits.length, (index + 1) * logits.length);
  const absolute = largestDifference(logits, expected);
  return { absolute, relative: absolute / largestMagnitude(expected) };
}

/** How many tokens of a continuation must be equal: all before the first near-tie, where another order of rounding may branch. */
export const certainTokens = (prompt: GoldenPrompt): number => prompt.near_ties_below_1e3[0]?.[0] ?? prompt.continuation.length;
