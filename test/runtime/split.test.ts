import { describe, expect, it } from 'vitest';
import type { OpenBackend } from '../../src/backends/backend.ts';
import { openWasm } from '../../src/backends/wasm/open.ts';
import { openContainer } from '../../src/container/read.ts';
import { writeContainer } from '../../src/container/write.ts';
import { PAGE } from '../../src/formats/descriptor.ts';
import { KV4, type KvFormat } from '../../src/formats/number-format.ts';
import { modelDigest } from '../../src/models/digest.ts';
import type { ArrayRef, Manifest, ModelImage } from '../../src/models/image.ts';
import { linearArrays } from '../../src/models/size.ts';
import { recipe } from '../../src/quantize/registry.ts';
import { quantize } from '../../src/quantize/run.ts';
import { createDecoder, type Decoder } from '../../src/runtime/decoder.ts';
import { checkBudget, estimate } from '../../src/runtime/estimate.ts';
import { splitPlan } from '../../src/runtime/split.ts';
import { threadHost } from '../../src/surfaces/adapters/node-threads.ts';
import { bytesDirectory } from '../support/bytes.ts';
import { memorySink } from '../support/memory-sink.ts';
import { testModules } from '../support/modules.ts';
import { stripsTypes } from '../support/node.ts';
import { tinyStore } from '../support/tiny-model.ts';

const modules = { own: await testModules(), shared: await testModules(true) };
const CONTEXT = 160;
const ids = Array.from({ length: CONTEXT }, (_, i) => (i * 89 + 7) % 260);
const store = (tied: boolean) => tinyStore({ config: { context: 512, layers: 4, tied } });
const tied = quantize(store(true), recipe('w4a8'));
const untied = quantize(store(false), recipe('w4a8'));
const options = { context: CONTEXT, kv: KV4, logitRows: PAGE, sequences: 1 } as const;

const opener = (threads: number): OpenBackend => (bytes) => openWasm(threads > 1 ? modules.shared : modules.own, 'simd128', bytes);
const decoder = (image: ModelImage, memories: number, { threads = 1, kv = KV4, sequences = 1 }: { threads?: number; kv?: KvFormat; sequences?: number } = {}): Promise<Decoder> =>
  createDecoder(image, opener(threads), { ...options, kv, memories, threads, sequences, host: threadHost, hashed: true });

const bytesOf = (row: Float32Array): Buffer => Buffer.from(new Uint8Array(row.buffer, row.byteOffset, row.byteLength).slice());

/** The logits of every position, in blocks of sizes that take turns. */
function logits(model: Decoder): Buffer {
  const rows: Buffer[] = [];
  for (let i = 0; model.position < CONTEXT; i++) {
    const size = Math.min([64, 1, 3, 17, 1][i % 5]!, model.blockRoom());
    for (const row of model.forwardRows(ids.slice(model.position, model.position + size), size)) rows.push(bytesOf(row));
  }
  return Buffer.concat(rows);
}

const arraysOf = ({ linears, vectors }: Pick<Manifest, 'linears' | 'vectors'>): ArrayRef[] => [...Object.values(linears).flatMap(linearArrays), ...Object.values(vectors)];

describe('splitPlan()', () => {
  it.each([['tied', tied], ['untied', untied]] as const)('covers the image of a %s model by ranges without gaps, with every array whole in one', (_, { manifest }) => {
    for (const memories of [1, 2, 3, 4]) {
      const parts = splitPlan(manifest, options, memories);
      expect(parts.map(({ plan }) => plan.config.layers).reduce((a, b) => a + b)).toBe(4);
      const ranges = parts.flatMap((part) => part.ranges).toSorted((a, b) => a.from - b.from);
      expect([ranges[0]!.from, ...ranges.map(({ to }) => to)]).toEqual([...ranges.map(({ from }) => from), manifest.bytes]);
      expect(parts.reduce((sum, { plan }) => sum + arraysOf(plan).length, 0)).toBe(arraysOf(manifest).length);
      for (const { plan, ranges: own } of parts) {
        for (const { offset, bytes } of arraysOf(plan)) {
          expect(offset % 64).toBe(0);
          expect(own.some(({ from, to, at }) => at <= offset && offset + bytes <= at + to - from)).toBe(true);
        }
      }
    }
  });

  it('finds arrays in whatever order they lie', () => {
    const { manifest } = untied;
    const reversed = arraysOf(manifest).toSorted((a, b) => b.offset - a.offset);
    let end = 0;
    const places = new Map(reversed.map((ref): [number, number] => {
      const at = end;
      end = Math.ceil((end + ref.bytes) / 64) * 64;
      return [ref.offset, at];
    }));
    const move = (value: unknown): unknown => {
      if (typeof value !== 'object' || value === null) return value;
      if ('offset' in value) return { ...value, offset: places.get(value.offset as number) };
      return Array.isArray(value) ? value.map(move) : Object.fromEntries(Object.entries(value).map(([key, part]) => [key, move(part)]));
    };
    const mirrored = { ...manifest, linears: move(manifest.linears), vectors: move(manifest.vectors), bytes: end } as Manifest;
    for (const part of splitPlan(mirrored, options, 3)) expect(part.plan.bytes).toBe(part.ranges.reduce((sum, { from, to }) => sum + to - from, 0));
  });

  it('takes as few memories as can hold the model, the largest as small as can be', () => {
    const whole = splitPlan(tied.manifest, options)[0]!.layout.total;
    const count = (limit: number): number => splitPlan(tied.manifest, options, 'auto', limit).length;
    const two = splitPlan(tied.manifest, options, 2).map(({ layout }) => layout.total);
    expect([count(whole), count(whole - 1), count(Math.max(...two))]).toEqual([1, 2, 2]);
    expect(count(Math.max(...two) - 1)).toBeGreaterThan(2);
    expect(splitPlan(tied.manifest, options, 4).map(({ plan }) => plan.first)).toEqual([0, 1, 2, 3]);
  });

  it('refuses layers that alone are too large, a memory that was asked for and is too large, and counts that are none', () => {
    const one = Math.max(...splitPlan(tied.manifest, options, 4).map(({ layout }) => layout.total));
    const code = (memories: number | 'auto', limit?: number) => {
      try {
        return splitPlan(tied.manifest, options, memories, limit).length;
      } catch (error) {
        return (error as { code: string; message: string }).code;
      }
    };
    expect([code('auto', one), code('auto', one - 1), code(1, one)]).toEqual([3, 'out_of_memory', 'out_of_memory']);
    expect([0, 5, 1.5, Number.NaN].map((memories) => code(memories))).toEqual(Array.from({ length: 4 }, () => 'invalid_argument'));
    expect(() => splitPlan(tied.manifest, options, 'auto', one - 1)).toThrow(/in 4 memories: layer 0 alone needs .* GiB/);
  });
});

describe('estimate() of several memories', () => {
  it('says what each of them allocates, and their sum', async () => {
    for (const memories of [1, 2, 3]) {
      const sizes: number[] = [];
      const open: OpenBackend = (bytes) => {
        const backend = opener(1)(bytes);
        sizes.push(backend.memory.buffer.byteLength);
        return backend;
      };
      await createDecoder(untied, open, { ...options, memories });
      const figures = estimate(untied.manifest, { ...options, memories });
      expect(figures.memories).toEqual(sizes);
      expect(figures.total).toBe(sizes.reduce((a, b) => a + b));
      expect(figures.weights + figures.kv + figures.tables + figures.activations).toBeLessThanOrEqual(figures.total);
      expect(() => checkBudget(figures, figures.total - 1)).toThrow(expect.objectContaining({ code: 'over_budget' }));
    }
  });
});

describe.each([['tied', tied], ['untied', untied]] as const)('Decoder of a %s model in several memories', { timeout: 120_000 }, (name, image) => {
  it('gives the bytes of one memory, on one thread and on two', async () => {
    const want = logits(await decoder(image, 1));
    for (const threads of stripsTypes ? [1, 2] : [1]) {
      for (const memories of [1, 2, 3, 4]) {
        await using model = await decoder(image, memories, { threads });
        expect([model.memories, model.threads]).toEqual([memories, threads]);
        expect(logits(model).equals(want), `${memories} memories, ${threads} threads`).toBe(true);
      }
    }
  });

  it('gives the same of pieces that straddle memories', async () => {
    const { manifest } = image;
    const sink = memorySink();
    await writeContainer(image, sink);
    const whole = new Uint8Array(manifest.bytes);
    for (const piece of image.pieces() as Iterable<{ offset: number; bytes: number; fill(target: Uint8Array): Promise<void> }>) {
      await piece.fill(whole.subarray(piece.offset, piece.offset + piece.bytes));
    }
    const SIZE = 50_000;
    const cut: ModelImage = {
      manifest,
      parallel: 3,
      pieces: () => Array.from({ length: Math.ceil(manifest.bytes / SIZE) }, (_, i) => {
        const part = whole.subarray(i * SIZE, (i + 1) * SIZE);
        return { offset: i * SIZE, bytes: part.length, fill: async (target: Uint8Array) => target.set(part) };
      }),
      close: async () => {},
    };
    const want = logits(await decoder(image, 1));
    const digest = await modelDigest(manifest, (await openContainer(bytesDirectory(sink.files!))).cuts!);
    for (const memories of [2, 3]) {
      for (const from of [cut, await openContainer(bytesDirectory(sink.files!))]) {
        const model = await decoder(from, memories);
        expect(logits(model).equals(want)).toBe(true);
        expect(await model.digest(), `digest of a ${name} model in ${memories} memories`).toBe(digest);
      }
    }
  });

  it('saves a cache that another split takes over', async () => {
    const [one, three] = [await decoder(image, 1), await decoder(image, 3)];
    for (const [from, to] of [[one, three], [three, one]] as const) {
      from.truncate(0);
      for (let i = 0; i < 100; i++) from.forward([ids[i]!]);
      const saved = new Uint8Array(from.cacheBytes(100));
      from.saveCache(100, saved);
      to.restoreCache(100, saved);
      expect(logits(to).equals(logits(from))).toBe(true);
    }
  });

  it('runs several sequences, shows inputs under the names of all layers, and refuses to be traced', async () => {
    const [one, two] = [await decoder(image, 1, { sequences: 3 }), await decoder(image, 2, { sequences: 3 })];
    const seen = [one, two].map((model) => {
      const sites: string[] = [];
      model.tap = (site, rows, tokens) => sites.push(`${site} ${tokens} ${rows[0]}`);
      for (let s = 0; s < 3; s++) model.forward(ids.slice(0, 9 * s + 1), s);
      model.tap = null;
      return sites;
    });
    expect(seen[1]).toEqual(seen[0]);
    expect(seen[0]!.some((site) => site.startsWith('layers.3.mlp.down'))).toBe(true);
    for (let i = 0; i < 70; i++) expect(two.step([i, 2 * i, i + 5], [2, 0, 1]).map(bytesOf)).toEqual(one.step([i, 2 * i, i + 5], [2, 0, 1]).map(bytesOf));
    expect(() => (two.trace = () => {})).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
  });
});

describe('Decoder in several memories', () => {
  it('takes a model with rotated hidden states', async () => {
    const rotated = quantize(tinyStore({ config: { context: 512, layers: 3, hidden: 128, headDim: 32, ffn: 256 } }), { ...recipe('w4a8'), transforms: [{ kind: 'rotate', residual: true, heads: false, online: ['mlp.down'] }] });
    const want = logits(await decoder(rotated, 1));
    for (const memories of [2, 3]) expect(logits(await decoder(rotated, memories)).equals(want)).toBe(true);
  });

  it.skipIf(!stripsTypes)('ends all threads where one memory is refused', async () => {
    let opened = 0;
    const open: OpenBackend = (bytes) => {
      if (++opened > 1) throw new RangeError('no room');
      return opener(2)(bytes);
    };
    let ended = 0;
    const host = { ...threadHost, start: (job: Parameters<typeof threadHost.start>[0]) => {
      const handle = threadHost.start(job);
      void handle.ended.then(() => ended++);
      return handle;
    } };
    await expect(createDecoder(tied, open, { ...options, memories: 2, threads: 2, host })).rejects.toThrow('no room');
    await expect.poll(() => ended).toBe(1);
  });
});
