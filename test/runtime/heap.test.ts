import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { openWasm } from '../../src/backends/wasm/open.ts';
import { KV4 } from '../../src/formats/number-format.ts';
import { recipe } from '../../src/quantize/registry.ts';
import { quantize } from '../../src/quantize/run.ts';
import { createDecoder } from '../../src/runtime/decoder.ts';
import { testModules } from '../support/modules.ts';
import { tinyStore } from '../support/tiny-model.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const heap = (): number => process.memoryUsage().heapUsed;
const collected = (): number => (collect(), collect(), heap());

const TOKENS = 10_000;
const WINDOW = 100;

/** `npm run bench -- heap` watches the sampler and speculation as well. */
it('decoding 10,000 tokens leaves the heap as it was, and makes next to no garbage on the way', async () => {
  const modules = await testModules();
  const image = quantize(tinyStore({ config: { context: 512 } }), recipe('w4a8'));
  const model = await createDecoder(image, (bytes) => openWasm(modules, 'simd128', bytes), { context: 512, kv: KV4 });
  const token = [7];
  const decode = (count: number): void => {
    for (let i = 0; i < count; i++) {
      if (model.blockRoom() === 0) model.truncate(0);
      model.forward(token);
    }
  };
  decode(2000);
  const before = collected();
  const garbage: number[] = [];
  for (let done = 0; done < TOKENS; done += WINDOW) {
    const from = heap();
    decode(WINDOW);
    garbage.push((heap() - from) / WINDOW);
  }
  expect(collected() - before).toBeLessThan(64 * 1024);
  const typical = garbage.toSorted((a, b) => a - b)[garbage.length >> 1]!; // a collection in a window is no rule
  expect(typical).toBeLessThan(512);
});
