import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { EMBEDDED, load, type LoadOptions } from '../../src/surfaces/adapters/node.ts';
import { quantize } from '../../src/surfaces/adapters/quantize.ts';
import { endings, scratch, sha256 } from '../support/cache.ts';
import { FileServer, faults } from '../support/file-server.ts';
import { COMMIT, HubServer } from '../support/hub-server.ts';
import { stripsTypes } from '../support/node.ts';
import { tinyFolder } from '../support/tiny.ts';

const filesIn = (folder: string): Record<string, Uint8Array> =>
  Object.fromEntries(readdirSync(folder).filter((name) => /\.(?:json|bin|gguf|safetensors)$/.test(name) && name !== 'expected.json').map((name) => [name, new Uint8Array(readFileSync(join(folder, name)))]));

const source = tinyFolder('llama3');
let root: string;
let cache: string;
let container: string;
let server: FileServer;
let hub: HubServer;

beforeAll(async () => {
  root = scratch();
  container = join(root, 'packed');
  if (stripsTypes) await quantize(source, container, { threads: 1 });
  server = await FileServer.start();
  hub = await HubServer.start();
  const { 'model.gguf': gguf, ...safetensors } = filesIn(source);
  hub.put('o/gguf', { 'model.gguf': gguf! });
  hub.put('o/safetensors', safetensors, { large: 5000 });
  const packed = stripsTypes ? filesIn(container) : {};
  hub.put('o/gated', { ...packed, 'other/model.gguf': gguf! }, { token: 'hf_token', large: 1000 });
  server.serve('/packed', packed);
  server.serve('/g', { 'model.gguf': gguf! });
  process.env['HF_ENDPOINT'] = hub.endpoint;
});
afterAll(() => {
  server.close();
  hub.close();
  rmSync(root, { recursive: true });
});
beforeEach(() => {
  cache = join(root, `cache-${Math.random()}`);
  process.env['TETRAD_CACHE'] = cache;
});
afterEach(() => {
  server.calm();
  hub.calm();
  delete process.env['HF_TOKEN'];
});

async function answer(name: string | URL, options: LoadOptions = {}): Promise<readonly number[]> {
  await using model = await load(name, { threads: 1, ...options });
  const { tokens } = await model.generate('Hello there', { maxTokens: 8, temperature: 0 }).result;
  return tokens;
}

if (!stripsTypes) process.stdout.write('load() from the network is not tested: this Node does not run TypeScript, as threads that round do\n');

describe.skipIf(!stripsTypes)('load() from the network', () => {
  it.each<[string, () => string, string]>([
    ['a container by its address', () => `${server.origin}/packed`, 'packed'],
    ['a .gguf by its address', () => `${server.origin}/g/model.gguf`, 'gguf'],
    ['a .gguf on the hub', () => 'hf:o/gguf', 'gguf'],
    ['safetensors on the hub', () => 'hf:o/safetensors', 'safetensors'],
  ])('gives the answer of the same files on disk: %s', async (_, name, kind) => {
    const want = await answer(kind === 'packed' ? container : kind === 'gguf' ? join(source, 'model.gguf') : source);
    expect(await answer(name())).toEqual(want);
    server.calm();
    hub.calm();
    expect(await answer(name())).toEqual(want);
    expect(await answer(name(), { offline: true })).toEqual(want);
    expect([server.seen, hub.site.seen, hub.storage.seen]).toEqual([[], [], []]);
    rmSync(cache, { recursive: true });
    expect(await answer(name(), { cache: false })).toEqual(want);
    expect(() => readdirSync(cache)).toThrow('ENOENT');
  });

  it('takes file: and https: URLs as objects', async () => {
    const want = await answer(container);
    expect(await answer(pathToFileURL(container))).toEqual(want);
    expect(await answer(new URL(`${server.origin}/packed/model.json`))).toEqual(want);
  });

  it('opens gated repositories with HF_TOKEN', async () => {
    await expect(answer('hf:o/gated')).rejects.toMatchObject({ code: 'unauthorized', message: expect.stringContaining('HF_TOKEN') });
    process.env['HF_TOKEN'] = 'hf_token';
    expect(await answer(`hf:o/gated@${COMMIT}`)).toEqual(await answer(container));
    expect(await answer('hf:o/gated:other/model.gguf')).toEqual(await answer(join(source, 'model.gguf')));
    expect(hub.storage.seen.length).toBeGreaterThan(0);
    expect(hub.storage.seen.every(({ headers }) => headers.authorization === undefined)).toBe(true);
  });

  it('mends a cache that is damaged, and says so offline', async () => {
    const want = await answer(`${server.origin}/packed`);
    for (const offline of [true, false]) {
      for (const name of readdirSync(cache).filter((file) => file.endsWith('.data'))) {
        const bytes = readFileSync(join(cache, name));
        if (bytes[0] === 0x7b) continue; // model.json has its own check
        bytes[1000]! ^= 1;
        writeFileSync(join(cache, name), bytes);
        if (offline) {
          await expect(answer(`${server.origin}/packed`, { offline })).rejects.toMatchObject({ code: 'digest_mismatch' });
          bytes[1000]! ^= 1;
          writeFileSync(join(cache, name), bytes);
        }
      }
    }
    server.calm();
    expect(await answer(`${server.origin}/packed`)).toEqual(want);
    expect(server.seen.map(({ path }) => path)).toEqual(['/packed/00.bin', '/packed/00.bin']);
    expect(await answer(`${server.origin}/packed`, { offline: true })).toEqual(want);
  });

  it.each<[string, LoadOptions, string]>([
    ['hf:o/none', {}, 'unauthorized'],
    ['hf:o/gguf:none', {}, 'not_found'],
    ['hf:o/gguf', { offline: true }, 'offline'],
    ['hf:o/gguf', { offline: true, cache: false }, 'invalid_argument'],
    ['ftp://host/x', {}, 'invalid_argument'],
  ])('refuses %s with %j', async (name, options, code) => expect(answer(name, options)).rejects.toMatchObject({ code }));

  it('refuses an HF_ENDPOINT that is no address', async () => {
    process.env['HF_ENDPOINT'] = 'hub.example';
    await expect(answer('hf:o/gguf')).rejects.toMatchObject({ code: 'invalid_argument', message: expect.stringContaining('HF_ENDPOINT') });
    process.env['HF_ENDPOINT'] = hub.endpoint;
  });

  it('an abort ends the download, and nothing is loaded', async () => {
    const stop = new AbortController();
    server.plan(faults.stall(20_000), { path: /00\.bin/ });
    setTimeout(() => stop.abort(new Error('enough')), 300);
    await expect(answer(`${server.origin}/packed`, { signal: stop.signal })).rejects.toThrow('enough');
  });

  it('quantize() of a remote checkpoint writes what it writes of the same files on disk', async () => {
    for (const [name, local] of [['hf:o/safetensors', source], [`${server.origin}/g/model.gguf`, join(source, 'model.gguf')]] as const) {
      const [remote, here] = [join(root, `remote-${Math.random()}`), join(root, `here-${Math.random()}`)];
      await quantize(name, remote, { threads: 1 });
      await quantize(local, here, { threads: 1 });
      expect(sha256(readFileSync(join(remote, '00.bin')))).toBe(sha256(readFileSync(join(here, '00.bin'))));
      const sha = (folder: string): unknown => JSON.parse(readFileSync(join(folder, 'model.json'), 'utf8')).provenance.sourceSha256;
      expect(sha(remote)).toBe(sha(here));
    }
  });

  it('brings the embedded model, 83 MB in 4 shards, through cuts', { timeout: 120_000 }, async () => {
    server.serve('/embedded', filesIn(EMBEDDED));
    server.plan(faults.cut(11_000_000), { path: /01\.bin/ });
    server.plan(faults.noRanges(), { path: /03\.bin/ });
    const stages = new Set<string>();
    const want = await answer(EMBEDDED);
    expect(await answer(`${server.origin}/embedded`, { onProgress: ({ stage }) => stages.add(stage) })).toEqual(want);
    expect([...stages]).toEqual(['download', 'load']);
    expect(endings(cache)).toHaveLength(10);
    server.calm();
    expect(await answer(`${server.origin}/embedded`, { cache: false })).toEqual(want);
  });
});
