// The program that every runtime runs: models forward over fixed prompts, and a digest of all logits. Imports nothing that belongs to a platform.
import { openContainer } from '../../dist/container/read.js';
import { sha256 } from '../../dist/core/digest.js';
import { decoderOf } from '../../dist/surfaces/loader.js';

export const PATHS = ['simd128', 'relaxed-i16', 'relaxed-i32'];

const CONTEXT = 128;
/** The last one crosses a page of the cache. */
const PROMPTS = [5, 64, 100];
const GREEDY = 8;

const largest = (logits) => logits.reduce((best, value, id) => (value > logits[best] ? id : best), 0);

/** SHA-256 over those of the logits after each block of each prompt, and after the tokens that greedy decoding adds to each. */
async function digestOf(directory, platform) {
  const decoder = await decoderOf(await openContainer(directory), { ...platform, context: CONTEXT });
  const sums = [];
  const forward = async (tokens) => {
    const logits = decoder.forward(tokens);
    sums.push(await sha256(new Uint8Array(logits.slice().buffer)));
    return largest(logits);
  };
  for (const length of PROMPTS) {
    decoder.truncate(0);
    const prompt = Array.from({ length }, (_, i) => (i * 7919 + 13) % decoder.vocab);
    let next = 0;
    while (decoder.position < length) next = await forward(prompt.slice(decoder.position, decoder.position + decoder.blockRoom()));
    for (let step = 0; step < GREEDY; step++) next = await forward([next]);
  }
  await decoder.dispose();
  return { threads: decoder.threads, digest: await sha256(new TextEncoder().encode(sums.join())) };
}

/**
 * For each path that the engine has and each number of threads that there can be: `digest` of the embedded model, `tiny` of the tiny one, and `reference`,
 * that of the tiny model by the scalar kernels. `platformOf` is an adapter's, `embedded` and `tiny` are directories.
 */
export async function measure({ platformOf, embedded, tiny, paths = PATHS, threads = [1, 2] }) {
  const { digest: reference } = await digestOf(tiny, await platformOf({ path: 'reference', threads: 1 }));
  const rows = [];
  for (const path of paths) {
    for (const count of threads) {
      const platform = await platformOf({ path, threads: count });
      if (platform.threads !== count) continue;
      try {
        rows.push({ path, ...(await digestOf(embedded, platform)), tiny: (await digestOf(tiny, platform)).digest, reference });
      } catch (error) {
        if (error.code !== 'no_kernel') throw error;
      }
    }
  }
  return rows;
}
