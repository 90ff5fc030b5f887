import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chooseFiles, listRepository, type HubFile } from '../../src/surfaces/network/hub.ts';
import { fetchSource } from '../../src/surfaces/network/fetch-source.ts';
import { findModel } from '../../src/surfaces/network/remote-model.ts';
import type { Network } from '../../src/surfaces/network/network.ts';
import { isRemote, parseSourceName, type HubName, type RemoteName } from '../../src/surfaces/network/source-name.ts';
import { COMMIT, HubServer } from '../support/hub-server.ts';
import { noise, quickNetwork } from '../support/network.ts';

const TOKEN = 'hf_secret';
let hub: HubServer;
const net = (token?: string): Network => quickNetwork({ hub: { endpoint: `${hub.endpoint}/`, token } });
const remote = (text: string): RemoteName => {
  const name = parseSourceName(text);
  if (!isRemote(name)) throw new Error(`${text} is a path`);
  return name;
};
const hubName = (text: string): HubName => remote(text) as HubName;

beforeAll(async () => {
  hub = await HubServer.start();
  hub.put('o/gguf', { 'README.md': noise(5), 'm.gguf': noise(5000) }, { large: 1000 });
  hub.put('o/gated', { 'm.gguf': noise(5000) }, { token: TOKEN });
});
afterAll(() => hub.close());

const files = (...paths: string[]): HubFile[] => paths.map((path) => ({ path, size: 1, sha256: null }));

describe('chooseFiles()', () => {
  const container = ['model.json', '00.bin', '01.bin'];
  const weights = ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'generation_config.json', 'model.safetensors'];
  const shards = ['config.json', 'model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors', 'model.safetensors.index.json'];
  it.each<[string, string[], string, string, string[]]>([
    ['a container before all else', ['README.md', ...container, 'a.gguf', ...weights], 'hf:o/r', 'container', container],
    ['the only .gguf', ['README.md', 'a.gguf', ...weights], 'hf:o/r', 'gguf', ['a.gguf']],
    ['safetensors', ['onnx/model.onnx', 'README.md', 'pytorch_model.bin', ...weights], 'hf:o/r', 'safetensors', weights],
    ['safetensors rather than one of several .gguf', ['a.gguf', 'b.gguf', ...shards], 'hf:o/r', 'safetensors', shards],
    ['a named file', ['a.gguf', 'b/c.gguf', ...container], 'hf:o/r:b/c.gguf', 'gguf', ['b/c.gguf']],
    ['a part of a name', ['m.Q4_0.gguf', 'm.Q4_K_M.gguf'], 'hf:o/r:q4_k_m', 'gguf', ['m.Q4_K_M.gguf']],
    ['a folder with a container', ['a.gguf', ...container.map((name) => `w4a8/${name}`)], 'hf:o/r:w4a8', 'container', container.map((name) => `w4a8/${name}`)],
    ['a container by its model.json', ['a.gguf', ...container.map((name) => `x/y/${name}`)], 'hf:o/r:x/y/model.json', 'container', container.map((name) => `x/y/${name}`)],
    ['the container at the root by name', ['a.gguf', ...container], 'hf:o/r:model.json', 'container', container],
    ['safetensors in a folder', weights.map((name) => `sub/${name}`), 'hf:o/r:sub/', 'safetensors', weights.map((name) => `sub/${name}`)],
  ])('takes %s', (_, paths, name, kind, chosen) => {
    const choice = chooseFiles(hubName(name), files(...paths));
    expect([choice.kind, choice.files.map(({ path }) => path)]).toEqual([kind, chosen]);
  });

  it.each<[string, string[], string, RegExp]>([
    ['nothing', ['README.md', 'pytorch_model.bin'], 'hf:o/r', /holds no container, no \.gguf file and no safetensors/],
    ['a model.json of something else', ['model.json', 'x.onnx'], 'hf:o/r', /holds no container/],
    ['several', ['a.gguf', 'b.gguf'], 'hf:o/r', /has 2 \.gguf files, needed is one of them as hf:o\/r:FILE \(a\.gguf, b\.gguf\)/],
    ['none of that name', ['a.gguf'], 'hf:o/r:b', /no such file, the repository has a\.gguf/],
    ['two of that part of a name', ['a.Q4_0.gguf', 'b.Q4_0.gguf'], 'hf:o/r:Q4_0', /no such file/],
  ])('refuses %s', (_, paths, name, why) => {
    expect(() => chooseFiles(hubName(name), files(...paths))).toThrow(expect.objectContaining({ code: 'not_found', message: expect.stringMatching(why) }));
  });
});

describe('the hub', () => {
  it('findModel() pins the commit and knows sizes and digests', async () => {
    const model = await findModel(net(), remote('hf:o/gguf'));
    expect(model).toMatchObject({ name: 'hf:o/gguf', kind: 'gguf', files: [{ path: 'm.gguf', url: `${hub.endpoint}/o/gguf/resolve/${COMMIT}/m.gguf`, size: 5000 }] });
    expect(model.files[0]!.sha256).toMatch(/^[0-9a-f]{64}$/);
    await expect(findModel(net(), remote('hf:o/gguf@v9'))).rejects.toMatchObject({ code: 'not_found', message: expect.stringContaining('Invalid rev id') });
  });

  it('a token goes to the hub and not to where it redirects', async () => {
    hub.calm();
    const model = await findModel(net(TOKEN), remote('hf:o/gated'));
    const source = await fetchSource(net(TOKEN), model.files[0]!.url);
    const target = new Uint8Array(5000);
    await source.read(0, target);
    expect(Buffer.compare(target, noise(5000))).toBe(0);
    expect(hub.site.seen.map(({ headers }) => headers.authorization)).toEqual(Array.from({ length: 3 }, () => `Bearer ${TOKEN}`));
    expect(hub.storage.seen.map(({ headers, path }) => [headers.authorization, path.includes('signature')])).toEqual([[undefined, true], [undefined, true]]);
  });

  it('no token goes to another host than the hub', async () => {
    hub.calm();
    hub.storage.files.set('/x', { bytes: noise(9), etag: null });
    await fetchSource(net(TOKEN), `${hub.storage.origin}/x`);
    expect(hub.storage.seen[0]!.headers.authorization).toBeUndefined();
  });

  it('follows redirects within the hub with the token, and not for ever', async () => {
    hub.calm();
    hub.site.files.set('/there', { bytes: noise(9), etag: null });
    hub.site.plan((reply) => Object.assign(reply, { status: 307, headers: { location: '/there' }, body: new Uint8Array(0) }), { path: /here$/, asking: true });
    await fetchSource(net(TOKEN), `${hub.endpoint}/here`);
    expect(hub.site.seen.map(({ path, headers }) => [path, headers.authorization])).toEqual([['/here', `Bearer ${TOKEN}`], ['/there', `Bearer ${TOKEN}`]]);
    hub.site.plan((reply) => Object.assign(reply, { status: 302, headers: { location: '/here' }, body: new Uint8Array(0) }), { times: 99, asking: true });
    await expect(fetchSource(net(TOKEN), `${hub.endpoint}/here`)).rejects.toMatchObject({ code: 'network_error', message: expect.stringContaining('redirects more than 10 times') });
    hub.calm();
    hub.site.plan((reply) => Object.assign(reply, { status: 302, headers: { location: 'data:,x' }, body: new Uint8Array(0) }), { asking: true });
    await expect(fetchSource(net(TOKEN), `${hub.endpoint}/here`)).rejects.toMatchObject({ code: 'network_error', message: expect.stringContaining('redirects to data:') });
  });

  it('says that HF_TOKEN is needed, or that its account has no access', async () => {
    await expect(findModel(net(), remote('hf:o/gated'))).rejects.toMatchObject({ code: 'unauthorized', message: expect.stringMatching(/answers 401 \(Access to this model is restricted\).*HF_TOKEN/) });
    await expect(findModel(net('other'), remote('hf:o/gated'))).rejects.toMatchObject({ code: 'unauthorized', message: expect.stringContaining('answers 403') });
    await expect(findModel(net('other'), remote('hf:o/none'))).rejects.toMatchObject({ code: 'not_found' });
  });

  it.each([['{"sha":"xyz","siblings":[]}'], ['[]'], ['null'], ['<html>'], ['{"sha":"0123456789","siblings":{}}']])('a listing that is none is a network error: %s', async (text) => {
    hub.calm();
    hub.site.other = () => false;
    hub.site.files.set('/api/models/o/odd/revision/main', { bytes: new TextEncoder().encode(text), etag: null });
    await expect(listRepository(net(), hubName('hf:o/odd'))).rejects.toMatchObject({ code: 'network_error' });
  });
});
