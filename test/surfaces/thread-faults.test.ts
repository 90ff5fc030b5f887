import { afterEach, describe, expect, it, vi } from 'vitest';
import { openWasm } from '../../src/backends/wasm/open.ts';
import { PAGE } from '../../src/formats/descriptor.ts';
import { recipe } from '../../src/quantize/registry.ts';
import { quantize } from '../../src/quantize/run.ts';
import type { ThreadHost } from '../../src/runtime/workers.ts';
import { load } from '../../src/surfaces/adapters/node.ts';
import { threadHost, threadsOn } from '../../src/surfaces/adapters/node-threads.ts';
import { decoderOf, modelOf, type DecoderRequest } from '../../src/surfaces/loader.ts';
import { testModules } from '../support/modules.ts';
import { stripsTypes } from '../support/node.ts';
import { tinyStore } from '../support/tiny-model.ts';

const modules = await testModules(true);
const image = quantize(tinyStore({ config: { context: 512 } }), recipe('w4a8'));
const request = (host: ThreadHost, threads = 2): DecoderRequest & { now: () => number } =>
  ({ open: (bytes) => openWasm(modules, 'simd128', bytes), threads, host, context: 2 * PAGE, now: () => performance.now() });

afterEach(() => vi.restoreAllMocks());

/** Workers are TypeScript files here. */
describe.skipIf(!stripsTypes)('a thread that dies', { timeout: 60_000 }, () => {
  it('while the model loads makes loading fail with the reason', async () => {
    const ending = threadsOn(new URL('data:text/javascript,process.exit(7)'));
    await expect(modelOf(image, request(ending))).rejects.toMatchObject({ code: 'worker_failed', message: expect.stringContaining('exit code 7') });
    const throwing = threadsOn(new URL('data:text/javascript,throw new Error("no room")'));
    await expect(modelOf(image, request(throwing))).rejects.toMatchObject({ code: 'worker_failed', message: expect.stringContaining('no room') });
  });

  it('during a generation makes it fail, and every later one, and the model can still be disposed of', async () => {
    const model = await modelOf(image, request(threadsOn(new URL('../support/failing-worker.ts', import.meta.url))));
    for (let i = 0; i < 2; i++) {
      await expect(model.generate('Hello', { maxTokens: 20, temperature: 0 }).result).rejects.toMatchObject({ code: 'worker_failed' });
    }
    await model.dispose();
    await expect(model.generate('Hello').result).rejects.toMatchObject({ code: 'disposed' });
  });
});

describe('memory that threads share', () => {
  const never: ThreadHost = { cores: 2, processors: 2, mayBlock: true, now: () => 0, start: () => expect.fail('no thread is to be started') };

  it('and that the engine refuses makes loading fail before any thread starts', async () => {
    vi.spyOn(WebAssembly, 'Memory').mockImplementation(function refuse() {
      throw new RangeError('could not allocate memory');
    });
    await expect(modelOf(image, request(never))).rejects.toMatchObject({ code: 'out_of_memory', message: expect.stringContaining('refused') });
  });

  it('and that no engine can address is refused by its size', () => {
    expect(() => openWasm(modules, 'simd128', 2 ** 32 + 1)).toThrow(expect.objectContaining({ code: 'out_of_memory', message: expect.stringContaining('4 GiB') }));
  });

  it('beyond the budget is refused before any of it is taken', () => {
    expect(() => decoderOf(image, { ...request(never), budget: 1000 })).toThrow(expect.objectContaining({ code: 'over_budget' }));
  });
});

it.skipIf(!stripsTypes)('tokens beyond the planned context are refused, and the threads go on after that', async () => {
  await using decoder = await decoderOf(image, request(threadHost, 3));
  const page = Array.from({ length: PAGE }, (_, i) => i);
  decoder.forward(page);
  const want = decoder.forward(page).slice();
  expect(() => decoder.forward([1])).toThrow(expect.objectContaining({ code: 'context_overflow' }));
  decoder.truncate(PAGE);
  expect(decoder.forward(page)).toEqual(want);
  await expect(decoderOf(image, { ...request(threadHost), context: 513 })).rejects.toMatchObject({ code: 'invalid_argument' });
});

it.each([0, -1, 1.5, 65, '2'])('load() refuses %j threads before it reads anything', async (threads) => {
  await expect(load('no-such-model', { threads: threads as number })).rejects.toMatchObject({ code: 'invalid_argument' });
});
