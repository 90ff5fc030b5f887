import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { openWasm } from '../../src/backends/wasm/open.ts';
import { PAGE } from '../../src/formats/descriptor.ts';
import { KV32, KV4, type KvCodesFormat, type KvFormat } from '../../src/formats/number-format.ts';
import type { ModelImage } from '../../src/models/image.ts';
import { recipe } from '../../src/quantize/registry.ts';
import { quantize } from '../../src/quantize/run.ts';
import { createDecoder, type Decoder } from '../../src/runtime/decoder.ts';
import { estimate } from '../../src/runtime/estimate.ts';
import type { ThreadHost, WorkerHandle } from '../../src/runtime/workers.ts';
import { physicalCores, threadHost, threadsOn } from '../../src/surfaces/adapters/node-threads.ts';
import { testModules } from '../support/modules.ts';
import { stripsTypes } from '../support/node.ts';
import { tinyStore } from '../support/tiny-model.ts';

const modules = await testModules(true);
const CONTEXT = 160;
const ids = Array.from({ length: CONTEXT }, (_, i) => (i * 89 + 7) % 260);
const store = tinyStore({ config: { context: 512 } });
const w4a8 = quantize(store, recipe('w4a8'));

/** Decoders of a test, and the workers that they started. */
let open: Decoder[] = [];
let handles: WorkerHandle[] = [];
afterEach(async () => {
  await Promise.all(open.map((model) => model.dispose()));
  open = [];
  handles = [];
});

const BEFORE: KvCodesFormat = { bits: 8, per: 'token', rope: 'before' };
const ROTATED: KvCodesFormat = { bits: 4, per: 'token', rope: 'after', rotate: true };

interface Options { kv?: KvFormat; host?: ThreadHost; sequences?: number }

async function decoder(image: ModelImage, threads: number, { kv = KV4, host = threadHost, sequences = 1 }: Options = {}): Promise<Decoder> {
  const start: ThreadHost['start'] = (job) => {
    const handle = host.start(job);
    handles.push(handle);
    return handle;
  };
  const options = { context: CONTEXT, kv, threads, sequences, host: { ...host, start }, logitRows: PAGE };
  const made = await createDecoder(image, (bytes) => openWasm(modules, 'simd128', bytes), options);
  open.push(made);
  return made;
}

const bytesOf = (row: Float32Array): Buffer => Buffer.from(new Uint8Array(row.buffer, row.byteOffset, row.byteLength).slice());

/** The logits of every position, in blocks of sizes that take turns. */
function logits(model: Decoder, sizes: readonly number[]): Buffer {
  const rows: Buffer[] = [];
  model.truncate(0);
  for (let i = 0; model.position < CONTEXT; i++) {
    const size = Math.min(sizes[i % sizes.length]!, model.blockRoom());
    for (const row of model.forwardRows(ids.slice(model.position, model.position + size), size)) rows.push(bytesOf(row));
  }
  return Buffer.concat(rows);
}

/** Workers are TypeScript files here. */
describe.skipIf(!stripsTypes)('Decoder on threads', { timeout: 60_000 }, () => {
  it('gives several sequences the bytes of one thread', async () => {
    const image = quantize(store, recipe('w4a8'));
    const steps = async (threads: number): Promise<Buffer> => {
      const model = await decoder(image, threads, { sequences: 5 });
      for (let s = 0; s < 5; s++) model.forward(ids.slice(0, 7 * s + 1), s);
      return Buffer.concat(Array.from({ length: 40 }, (_, i) => model.step([i, 2 * i, 3 * i, 4 * i], [4, 0, 3, 1]).map(bytesOf)).flat());
    };
    expect((await steps(3)).equals(await steps(1))).toBe(true);
  });

  const models = [['w4a8', KV4], ['f32', KV32], ['w4a8', BEFORE], ['w4a8', ROTATED]] as const;
  it.each(models)('gives the bytes of one thread for %s, %o on 2, 3 and 4, for blocks of any size', async (name, kv) => {
    const image = quantize(store, recipe(name));
    const want = logits(await decoder(image, 1, { kv }), [64]);
    for (const threads of [2, 3, 4]) {
      const model = await decoder(image, threads, { kv });
      expect(model.threads).toBe(threads);
      for (const sizes of [[64], [1], [1, 4, 5, 17]]) expect(logits(model, sizes).equals(want), `${threads} threads, blocks of ${sizes.join(', ')}`).toBe(true);
    }
  });

  it.each([1, 2, 5])('of %i allocates what estimate() says', async (threads) => {
    const options = { context: CONTEXT, kv: KV4, threads, host: threadHost };
    await using model = await createDecoder(w4a8, (bytes) => openWasm(modules, 'simd128', bytes), options);
    expect(estimate(w4a8.manifest, options).total).toBe(model.backend.memory.buffer.byteLength);
  });

  it('ends its threads when it is disposed of, and then refuses to run', async () => {
    const model = await decoder(w4a8, 3);
    expect(handles).toHaveLength(2);
    model.forward([1]);
    await model.dispose();
    await Promise.all(handles.map(({ ended }) => ended));
    expect(() => model.forward([1])).toThrow(expect.objectContaining({ code: 'disposed' }));
  });

  it('refuses threads over memory that is not shared', async () => {
    const plain = await testModules();
    const made = createDecoder(w4a8, (bytes) => openWasm(plain, 'simd128', bytes), { context: 8, kv: KV4, threads: 2, host: threadHost });
    await expect(made).rejects.toMatchObject({ code: 'invalid_argument' });
  });
});

const failing = threadsOn(new URL('../support/failing-worker.ts', import.meta.url));

describe.skipIf(!stripsTypes)('a thread that fails', { timeout: 60_000 }, () => {
  it('by throwing makes the call fail with its error, and every later call', async () => {
    const model = await decoder(w4a8, 2, { host: failing });
    const failure = expect.objectContaining({ code: 'worker_failed', message: expect.stringContaining('thread 1 failed with "RangeError: twenty"') });
    expect(() => logits(model, [1])).toThrow(failure);
    expect(() => model.forward([1])).toThrow(failure);
    await Promise.all(handles.map(({ ended }) => ended));
  });

  it('by ending without a word in the middle of a call makes it fail and not hang', async () => {
    const model = await decoder(w4a8, 3, { host: failing });
    expect(() => logits(model, [1])).toThrow(expect.objectContaining({ code: 'worker_failed', message: expect.stringContaining('did not move') }));
    expect(() => model.forward([1])).toThrow(expect.objectContaining({ code: 'worker_failed' }));
  });

  it('between two calls makes the next one fail at once', async () => {
    const model = await decoder(w4a8, 3);
    model.forward([1]);
    await handles[1]!.terminate();
    await handles[1]!.ended;
    expect(() => model.forward([1])).toThrow(expect.objectContaining({ code: 'worker_failed', message: expect.stringContaining('thread 2 ended') }));
  });

  it('at its start makes loading fail', async () => {
    const missing = threadsOn(new URL('../support/no-such-worker.ts', import.meta.url));
    await expect(decoder(w4a8, 2, { host: missing })).rejects.toMatchObject({ code: 'worker_failed' });
  });
});

describe.skipIf(!stripsTypes)('a process', { timeout: 60_000 }, () => {
  it('ends by itself although a model on threads was not disposed of', async () => {
    const node = fileURLToPath(new URL('../../src/surfaces/adapters/node.ts', import.meta.url));
    const program = `
      const { load } = await import(${JSON.stringify(node)});
      const model = await load(${JSON.stringify(fileURLToPath(new URL('../fixtures/tiny/llama3', import.meta.url)))}, { threads: 2, path: 'simd128' });
      console.log((await model.generate('Hello', { maxTokens: 3, temperature: 0 }).result).tokens.length);
    `;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    expect([await new Promise((resolve) => child.on('close', resolve)), out]).toEqual([0, '3\n']);
  });
});

describe('physicalCores()', () => {
  it('is at least 1, also where the system tells nothing', () => {
    expect(physicalCores()).toBeGreaterThanOrEqual(1);
    expect(physicalCores('/nowhere')).toBeGreaterThanOrEqual(1);
  });
});
