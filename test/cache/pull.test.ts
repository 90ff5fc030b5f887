import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Progress } from '../../src/core/bytes.ts';
import { fileCache } from '../../src/surfaces/adapters/file-cache.ts';
import type { CacheStore } from '../../src/surfaces/cache/cache.ts';
import { listModels, modelDigest, removeModel, sizeOf } from '../../src/surfaces/cache/list.ts';
import { cachedDirectory, cachedModel, mendModel } from '../../src/surfaces/cache/open.ts';
import { pullModel } from '../../src/surfaces/cache/pull.ts';
import type { Network } from '../../src/surfaces/network/network.ts';
import { cached, endings, remote, scratch, sha256 } from '../support/cache.ts';
import { FileServer, faults, served } from '../support/file-server.ts';
import { COMMIT, HubServer } from '../support/hub-server.ts';
import { noise, quickNetwork } from '../support/network.ts';

const fixture = fileURLToPath(new URL('../fixtures/container-v1', import.meta.url));
const container = Object.fromEntries(['model.json', '00.bin'].map((name) => [name, new Uint8Array(readFileSync(join(fixture, name)))]));
const checkpoint = (seed: number): Record<string, Uint8Array> => ({
  'config.json': noise(300, seed), 'model-00001-of-00002.safetensors': noise(200_000, seed + 1), 'model-00002-of-00002.safetensors': noise(150_000, 7), 'model.safetensors.index.json': noise(500, seed + 2),
});

let server: FileServer;
let hub: HubServer;
let folder: string;
let store: CacheStore;
let base: string;
let net: Network;
beforeAll(async () => {
  server = await FileServer.start();
  hub = await HubServer.start();
  net = quickNetwork({ hub: { endpoint: hub.endpoint, token: undefined } });
});
afterAll(() => {
  server.close();
  hub.close();
});
beforeEach(() => {
  server.calm();
  hub.calm();
  server.files.clear();
  base = server.serve('/m', container);
  server.files.set('/a.gguf', served(noise(250_000)));
  hub.put('o/r', checkpoint(1), { large: 1000 });
  hub.put('o/c', { 'README.md': noise(10), ...container }, { large: 1000 });
  folder = scratch();
  store = fileCache(folder);
});
afterEach(() => rmSync(folder, { recursive: true }));

/** How many requests read more than a first byte. */
const reads = (): number => [...server.seen, ...hub.storage.seen, ...hub.site.seen.filter(({ path }) => path.includes('/resolve/'))].filter(({ headers }) => headers.range !== 'bytes=0-0').length;

async function expectHolds(name: string, files: Readonly<Record<string, Uint8Array>>): Promise<void> {
  const model = (await listModels(store)).find((one) => one.name === name)!;
  expect(model.files.map(({ path }) => path).sort()).toEqual(Object.keys(files).sort());
  for (const { path, key } of model.files) expect(Buffer.compare((await cached(store, key))!, files[path]!), path).toBe(0);
}

describe('pullModel()', () => {
  it('brings a container by its address, and then only looks whether it has changed', async () => {
    const stages: string[] = [];
    const progress: Progress[] = [];
    const model = await pullModel(net, store, remote(`${base}/model.json`), { onStage: (stage) => stages.push(stage), onProgress: (step) => progress.push(step) });
    expect(model).toMatchObject({ name: base, kind: 'container', pending: [] });
    expect(stages).toEqual(['pulling manifest', 'pulling files', 'verifying sha256 digest', 'writing manifest']);
    expect(progress.at(-1)).toEqual({ stage: 'download', loaded: sizeOf(model), total: sizeOf(model) });
    await expectHolds(base, container);
    expect(endings(folder)).toEqual(['data', 'data', 'json', 'json']);
    server.calm();
    expect(await modelDigest(await pullModel(net, store, remote(base)))).toBe(await modelDigest(model));
    expect([reads(), server.seen.length]).toEqual([0, 1]);
  });

  it.each([['hf:o/c', container], ['hf:o/r', checkpoint(1)], [`hf:o/r@${COMMIT}`, checkpoint(1)]])('brings %s', async (name, files) => {
    await pullModel(net, store, remote(name));
    await expectHolds(name, files);
    hub.calm();
    await pullModel(net, store, remote(name));
    expect(reads()).toBe(0);
  });

  it('brings a .gguf, and another one when it has changed', async () => {
    const name = `${server.origin}/a.gguf`;
    await pullModel(net, store, remote(name));
    await expectHolds(name, { 'a.gguf': noise(250_000) });
    server.files.set('/a.gguf', served(noise(260_000, 5)));
    await pullModel(net, store, remote(name));
    await expectHolds(name, { 'a.gguf': noise(260_000, 5) });
    expect(endings(folder)).toEqual(['data', 'json']);
  });

  it('a new commit brings only the files that are others', async () => {
    await pullModel(net, store, remote('hf:o/r'));
    hub.put('o/r', checkpoint(20), { large: 1000, commit: 'f'.repeat(40) });
    hub.calm();
    await pullModel(net, store, remote('hf:o/r'));
    await expectHolds('hf:o/r', checkpoint(20));
    expect(hub.storage.seen.filter(({ headers }) => headers.range !== 'bytes=0-0')).toHaveLength(1);
    expect(endings(folder)).toHaveLength(8);
  });

  it('the last version stays until the new one is there', async () => {
    await pullModel(net, store, remote('hf:o/r'));
    hub.put('o/r', checkpoint(20), { large: 1000, commit: 'f'.repeat(40) });
    hub.storage.plan(faults.status(404), { times: 9, asking: true });
    await expect(pullModel(net, store, remote('hf:o/r'))).rejects.toMatchObject({ code: 'not_found' });
    await expectHolds('hf:o/r', checkpoint(1));
    expect((await cachedModel(net, store, remote('hf:o/r'), { offline: true })).files).toHaveLength(4);
  });

  it('goes on where it was cut off for good', async () => {
    const weak = quickNetwork({ tries: 1 });
    server.plan(faults.cut(100_000), { path: /gguf/ });
    const name = `${server.origin}/a.gguf`;
    await expect(pullModel(weak, store, remote(name))).rejects.toMatchObject({ code: 'network_error' });
    expect(endings(folder)).toEqual(['part']);
    server.calm();
    await pullModel(weak, store, remote(name));
    const from = Number(/=(\d+)-/.exec(server.seen[1]!.headers.range!)![1]);
    expect(from).toBeGreaterThan(0);
    await expectHolds(name, { 'a.gguf': noise(250_000) });
  });

  it.each([['no etag', null], ['a weak etag', 'W/"1"']])('does not go on with what has %s, but brings it', async (_, etag) => {
    const weak = quickNetwork({ tries: 1 });
    server.files.set('/a.gguf', { bytes: noise(250_000), etag });
    server.plan(faults.cut(100_000), { path: /gguf/ });
    const name = `${server.origin}/a.gguf`;
    await expect(pullModel(weak, store, remote(name))).rejects.toMatchObject({ code: 'network_error' });
    expect(endings(folder)).toEqual([]);
    await pullModel(weak, store, remote(name));
    await expectHolds(name, { 'a.gguf': noise(250_000) });
  });

  it('begins anew when a file changes in the middle', async () => {
    const name = `${server.origin}/a.gguf`;
    let requests = 0;
    server.plan(faults.cut(100_000), { path: /gguf/ });
    server.before(() => {
      if (++requests === 3) server.files.set('/a.gguf', served(noise(240_000, 9)));
    });
    await pullModel(net, store, remote(name));
    await expectHolds(name, { 'a.gguf': noise(240_000, 9) });
    expect(endings(folder)).toEqual(['data', 'json']);
  });

  it('leaves nothing of a version that came in the middle and was cut too, once there is a third one', async () => {
    const name = `${server.origin}/a.gguf`;
    let requests = 0;
    server.plan(faults.cut(30_000), { path: /gguf/, times: 99 });
    server.before(() => {
      if (++requests === 3) server.files.set('/a.gguf', served(noise(240_000, 9)));
    });
    await expect(pullModel(net, store, remote(name))).rejects.toMatchObject({ code: 'network_error' });
    expect(endings(folder)).toContain('part');
    server.calm();
    server.files.set('/a.gguf', served(noise(230_000, 8)));
    await pullModel(net, store, remote(name));
    await expectHolds(name, { 'a.gguf': noise(230_000, 8) });
    expect(endings(folder)).toEqual(['data', 'json']);
  });

  it('brings corrupted bytes again, three times at most', async () => {
    server.plan(faults.corrupt(777), { path: /00\.bin/, times: 2 });
    await pullModel(net, store, remote(base));
    await expectHolds(base, container);
    await removeModel(store, base);
    server.plan(faults.corrupt(777), { path: /00\.bin/, times: 99 });
    await expect(pullModel(net, store, remote(base))).rejects.toMatchObject({ code: 'digest_mismatch', message: expect.stringMatching(/00\.bin: its SHA-256 is [0-9a-f]{64}, needed is [0-9a-f]{64}$/) });
    expect(endings(folder)).toEqual(['data', 'json']); // model.json, which is right
  });

  it.each<[string, () => void, string]>([
    ['a missing shard', () => server.files.delete('/m/00.bin'), 'not_found'],
    ['a shard that is too short', () => server.files.set('/m/00.bin', served(container['00.bin']!.subarray(5))), 'source_changed'],
    ['a shard of another model', () => server.files.set('/m/00.bin', served(noise(container['00.bin']!.length))), 'digest_mismatch'],
    ['a model.json that is none', () => server.files.set('/m/model.json', served(noise(99))), 'invalid_file'],
    ['no model.json', () => server.files.delete('/m/model.json'), 'not_found'],
    ['a hub whose digest is another', () => {
      server.serve('/m', container);
      base = 'hf:o/bad';
      hub.put('o/bad', { ...container, '00.bin': noise(container['00.bin']!.length) });
    }, 'digest_mismatch'],
  ])('refuses %s', async (_, damage, code) => {
    damage();
    await expect(pullModel(net, store, remote(base))).rejects.toMatchObject({ code });
    expect((await listModels(store)).every(({ files }) => files.length === 0)).toBe(true);
    await removeModel(store, base);
    expect(endings(folder)).toEqual([]);
  });

  it('ends at once when it is aborted, and goes on the next time', async () => {
    const name = `${server.origin}/a.gguf`;
    const stop = new AbortController();
    const onProgress = ({ loaded }: Progress): void => {
      if (loaded > 0) stop.abort(new Error('enough'));
    };
    server.plan(faults.stall(100_000), { path: /gguf/ });
    await expect(pullModel(quickNetwork({ stallMs: 20_000 }), store, remote(name), { signal: stop.signal, onProgress })).rejects.toThrow('enough');
    expect(endings(folder)).toEqual(['part']);
    await pullModel(net, store, remote(name));
    await expectHolds(name, { 'a.gguf': noise(250_000) });
  });

  it('two at once bring the same model', async () => {
    await Promise.all([pullModel(net, store, remote('hf:o/r')), pullModel(net, fileCache(folder), remote('hf:o/r'))]);
    await expectHolds('hf:o/r', checkpoint(1));
    expect(endings(folder).filter((ending) => ending.startsWith('part'))).toEqual([]);
  });

  it('two at once bring the same model from a server that does not tell versions apart', async () => {
    const name = `${server.origin}/a.gguf`;
    for (let i = 0; i < 10; i++) {
      server.files.set('/a.gguf', { bytes: noise(50_000, i), etag: null });
      await Promise.all([0, 1, 2].map(() => pullModel(net, fileCache(folder), remote(name))));
      await expectHolds(name, { 'a.gguf': noise(50_000, i) });
    }
  });

  it('mends what has been damaged in the cache', async () => {
    await pullModel(net, store, remote('hf:o/r'));
    for (const name of readdirSync(folder).filter((file) => file.endsWith('.data'))) {
      const bytes = readFileSync(join(folder, name));
      bytes[3]! ^= 1;
      writeFileSync(join(folder, name), bytes);
    }
    await pullModel(net, store, remote('hf:o/r'));
    await expectHolds('hf:o/r', checkpoint(1));
  });
});

describe('cachedModel()', () => {
  it('downloads once and then asks for nothing', async () => {
    const first = await cachedModel(net, store, remote(base));
    server.calm();
    expect(await cachedModel(net, store, remote(base))).toEqual(first);
    expect(await cachedModel(net, store, remote(base), { offline: true })).toEqual(first);
    expect(server.seen).toEqual([]);
  });

  it('says what is missing offline', async () => {
    await expect(cachedModel(net, store, remote('hf:o/r'), { offline: true })).rejects.toMatchObject({ code: 'offline', message: 'Cannot open hf:o/r offline: it is not in the cache, needed is a download while there is a network' });
    const { files } = await cachedModel(net, store, remote('hf:o/r'));
    await store.remove(files[0]!.key);
    await expect(cachedModel(net, store, remote('hf:o/r'), { offline: true })).rejects.toMatchObject({ code: 'offline', message: expect.stringContaining(`${files[0]!.path} of it is missing or damaged`) });
  });

  it('mends a missing file and a damaged text, and keeps the version', async () => {
    const { files } = await cachedModel(net, store, remote('hf:o/r'));
    hub.put('o/r', { ...checkpoint(1), 'more.json': noise(4) }, { large: 1000, commit: COMMIT });
    for (const path of ['config.json', 'model-00001-of-00002.safetensors']) {
      const { key } = files.find((file) => file.path === path)!;
      await store.remove(key);
      expect((await cachedModel(net, store, remote('hf:o/r'))).files).toEqual(files);
      await expectHolds('hf:o/r', checkpoint(1));
    }
    const text = readdirSync(folder).filter((name) => name.endsWith('.data')).find((name) => sha256(readFileSync(join(folder, name))) === sha256(checkpoint(1)['config.json']!))!;
    writeFileSync(join(folder, text), noise(300, 99));
    await cachedModel(net, store, remote('hf:o/r'));
    await expectHolds('hf:o/r', checkpoint(1));
  });

  it('takes the new version where the old one is damaged and gone', async () => {
    const name = `${server.origin}/a.gguf`;
    const { files } = await cachedModel(net, store, remote(name));
    await store.remove(files[0]!.key);
    server.files.set('/a.gguf', served(noise(9000, 3)));
    await cachedModel(net, store, remote(name));
    await expectHolds(name, { 'a.gguf': noise(9000, 3) });
    expect(endings(folder)).toEqual(['data', 'json']);
  });

  it('mendModel() refuses to mix versions', async () => {
    const name = `${server.origin}/a.gguf`;
    const model = await cachedModel(net, store, remote(name));
    await store.remove(model.files[0]!.key);
    server.files.set('/a.gguf', served(noise(250_000, 3)));
    await expect(mendModel(net, store, model)).rejects.toMatchObject({ code: 'source_changed' });
    expect(endings(folder)).toEqual([]);
  });

  it('cachedDirectory() opens its files and no others', async () => {
    const dir = cachedDirectory(store, await cachedModel(net, store, remote(base)));
    const source = await dir.open('00.bin');
    expect([source.name, source.size, await dir.has('model.json'), await dir.has('x')]).toEqual([`${base}/00.bin`, container['00.bin']!.length, true, false]);
    await source.close?.();
    await expect(dir.open('x')).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('removeModel()', () => {
  it('removes what no other model needs, and what an interruption left', async () => {
    await pullModel(net, store, remote('hf:o/c'));
    await pullModel(net, store, remote(`hf:o/c@${COMMIT}`));
    server.plan(faults.cut(100_000), { path: /gguf/ });
    await expect(pullModel(quickNetwork({ tries: 1 }), store, remote(`${server.origin}/a.gguf`))).rejects.toMatchObject({ code: 'network_error' });
    expect((await listModels(store)).map(({ name, files }) => [name, files.length]).sort()).toEqual([['hf:o/c', 2], [`hf:o/c@${COMMIT}`, 2], [`${server.origin}/a.gguf`, 0]]);
    expect(await removeModel(store, `${server.origin}/a.gguf`)).toBe(true);
    expect(endings(folder)).toEqual(['data', 'data', 'json', 'json']);
    await removeModel(store, 'hf:o/c');
    await expectHolds(`hf:o/c@${COMMIT}`, container);
    await removeModel(store, `hf:o/c@${COMMIT}`);
    expect(endings(folder)).toEqual([]);
    expect(await removeModel(store, 'hf:o/c')).toBe(false);
  });

  it('a damaged note counts for nothing', async () => {
    await pullModel(net, store, remote('hf:o/c'));
    const file = join(folder, 'models', readdirSync(join(folder, 'models'))[0]!);
    for (const text of ['', 'null', '{"version":2}', JSON.stringify({ version: 1, name: 'x', kind: 'gguf', time: 1, files: [{}], pending: [] })]) {
      writeFileSync(file, text);
      expect(await listModels(store)).toEqual([]);
    }
    await pullModel(net, store, remote('hf:o/c'));
    await expectHolds('hf:o/c', container);
  });
});
