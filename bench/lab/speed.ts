import { openLocal } from '../../src/surfaces/adapters/local-models.ts';
import { platformOf } from '../../src/surfaces/adapters/node.ts';
import { runBench, type BenchTest } from '../../src/surfaces/cli/bench-run.ts';
import { decoderOf } from '../../src/surfaces/loader.ts';
import type { LabResult, Speed } from './result.ts';

export const PROMPT = 512;
export const GEN = 64;
export const REPETITIONS = 5;

/** A container on one thread: on the fastest kernels, or on those of `path`. */
async function speedOn(directory: string, path?: 'simd128'): Promise<Speed> {
  const platform = await platformOf({ threads: 1, path });
  const image = await openLocal(directory, platform);
  await using decoder = await decoderOf(image, { ...platform, context: PROMPT }).finally(() => image.close());
  const rates = async (test: BenchTest): Promise<number[]> => {
    const times = await runBench(decoder, test, REPETITIONS, () => performance.now(), new AbortController().signal);
    return times.map((ns) => ((test.prompt + test.gen) * 1e9) / ns);
  };
  return { path: decoder.backend.path, prefill: await rates({ prompt: PROMPT, gen: 0, depth: 0 }), decode: await rates({ prompt: 0, gen: GEN, depth: 0 }) };
}

export async function speedOf(directory: string): Promise<NonNullable<LabResult['speed']>> {
  return { best: await speedOn(directory), plain: await speedOn(directory, 'simd128') };
}
