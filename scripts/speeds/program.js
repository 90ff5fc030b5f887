// What every runtime is timed with: the embedded model on one thread. Imports nothing that belongs to a platform.
const PROMPT = 512;
const GEN = 64;
const SHORT = 32;
const ROUNDS = 3;

const prompt = (length, seed) => Array.from({ length }, (_, i) => (i * 7919 + seed) % 49152);
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/** `load` gives the model. Milliseconds by `now`; `sinceStart` tells them since the process or page began. */
export async function timed({ load, now, sinceStart }) {
  const before = now();
  const model = await load({ context: 1024, threads: 1 });
  const loaded = now();
  const run = (ids, maxTokens) => model.generate(ids, { maxTokens, temperature: 0, speculate: false }).result;
  const { tokens } = await run(prompt(SHORT, 13), 1);
  const first = sinceStart();
  const rounds = [];
  for (let round = 0; round < ROUNDS; round++) rounds.push(await run(prompt(PROMPT, 100 + round), GEN));
  const prefill = rounds.map(({ timings }) => (timings.promptTokens - timings.cachedTokens) / (timings.promptMs / 1000));
  const decode = rounds.map(({ timings }) => (timings.completionTokens - 1) / (timings.completionMs / 1000));
  const ids = [tokens, ...rounds.map((result) => result.tokens)].join();
  const { kernels, estimate } = model;
  await model.dispose();
  return { kernels, load_ms: loaded - before, first_token_ms: first, prefill_tokens_per_s: median(prefill), decode_tokens_per_s: median(decode), linear_memory_bytes: estimate.total, ids };
}
