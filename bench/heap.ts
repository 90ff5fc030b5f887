import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { load } from '../src/surfaces/adapters/node.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes of JavaScript heap in use after a collection. */
export function heapBytes(): number {
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}

const CHUNK = 1000;
/** Tokens over which allocation is watched: too few for a collection in between. */
const WATCHED = 64;

/** Heap in use after each generation of up to a thousand tokens, until there are `tokens`, and bytes allocated per token within the last one. */
export async function heapOver(tokens: number): Promise<{ readonly heap: number[]; readonly allocated: number }> {
  const model = await load();
  const heap: number[] = [];
  let allocated = 0;
  for (let done = 0, seed = 0; done < tokens; seed++) {
    const prompt = Array.from({ length: 8 }, (_, i) => ((i + seed) * 7919 + 13) % 49152);
    const generation = model.generate(prompt, { maxTokens: Math.min(CHUNK, tokens - done), temperature: 0 });
    let count = 0;
    let before = 0;
    for await (const piece of generation) {
      void piece;
      if (++count === WATCHED) before = process.memoryUsage().heapUsed;
      if (count === 2 * WATCHED) allocated = (process.memoryUsage().heapUsed - before) / WATCHED;
    }
    done += Math.max(1, (await generation.result).usage.completionTokens);
    heap.push(heapBytes());
  }
  await model.dispose();
  return { heap, allocated };
}
