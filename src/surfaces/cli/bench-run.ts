import { TetradError } from '../../core/errors.ts';
import { pause } from '../../core/pause.ts';

/** What is measured: `prompt` tokens in blocks, then `gen` tokens one by one, after `depth` tokens that are not timed. */
export interface BenchTest {
  readonly prompt: number;
  readonly gen: number;
  readonly depth: number;
}

/** What the benchmark needs of a decoder. */
export interface BenchModel {
  readonly context: number;
  readonly vocab: number;
  blockRoom(): number;
  truncate(tokens: number): number;
  forward(tokens: readonly number[]): unknown;
}

/** llama-bench's tests: for each depth, each prompt length, then each generation length. */
export function benchTests(prompts: readonly number[], gens: readonly number[], depths: readonly number[]): BenchTest[] {
  return depths.flatMap((depth) => [
    ...prompts.filter((prompt) => prompt > 0).map((prompt) => ({ prompt, gen: 0, depth })),
    ...gens.filter((gen) => gen > 0).map((gen) => ({ prompt: 0, gen, depth })),
  ]);
}

/** Tokens of context that the largest test needs. */
export const contextNeeded = (tests: readonly BenchTest[]): number => Math.max(1, ...tests.map(({ prompt, gen, depth }) => prompt + gen + depth));

/** The same tokens in every run (a linear congruential generator of Numerical Recipes). */
function tokenSource(vocab: number): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state % vocab;
  };
}

/** The first `count` of them. */
export const benchTokens = (vocab: number, count: number): number[] => Array.from({ length: count }, tokenSource(vocab));

/** Sizes of the blocks, of at most `most` tokens, that bring `count` tokens into a model, each asked for when the one before has run. */
export function* blockSizes(model: Pick<BenchModel, 'blockRoom'>, count: number, most = Infinity): Generator<number> {
  for (let left = count; left > 0; ) {
    const size = Math.min(left, most, model.blockRoom());
    yield size;
    left -= size;
  }
}

/** Feeds `count` tokens in blocks of at most `most`, giving the event loop a turn after each so that an abort can arrive. */
async function feed(model: BenchModel, count: number, most: number, next: () => number, signal: AbortSignal): Promise<void> {
  for (const size of blockSizes(model, count, most)) {
    signal.throwIfAborted();
    model.forward(Array.from({ length: size }, next));
    await pause();
  }
}

/** Times one test `repetitions` times after one run to warm up; nanoseconds of each. Tokenising and sampling are no part of it. */
export async function runBench(model: BenchModel, test: BenchTest, repetitions: number, now: () => number, signal: AbortSignal): Promise<number[]> {
  const { prompt, gen, depth } = test;
  if (prompt + gen + depth > model.context) {
    throw new TetradError('context_overflow', `Cannot measure: ${prompt + gen + depth} tokens needed, the model takes ${model.context}`);
  }
  const samples: number[] = [];
  for (let run = 0; run <= repetitions; run++) {
    const next = tokenSource(model.vocab);
    model.truncate(0);
    await feed(model, depth, Infinity, next, signal);
    const start = now();
    await feed(model, prompt, Infinity, next, signal);
    await feed(model, gen, 1, next, signal);
    if (run > 0) samples.push(Math.max(1, Math.round((now() - start) * 1e6)));
  }
  return samples;
}
