import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, request as httpRequest, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { age, aligned } from '../../src/surfaces/cli/format.ts';
import { engine } from '../../src/surfaces/cli/engine.ts';
import { endings, scratch, sha256 } from '../support/cache.ts';
import { FileServer, faults } from '../support/file-server.ts';
import { HubServer } from '../support/hub-server.ts';
import { noise } from '../support/network.ts';
import { stripsTypes } from '../support/node.ts';
import { tinyFolder } from '../support/tiny.ts';
import { cli, type Outcome } from './harness.ts';

const project = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const main = project('dist/surfaces/cli/main.js');
const gguf = new Uint8Array(readFileSync(join(tinyFolder('llama3'), 'model.gguf')));
const SHARD = 3_000_000;
const shards = [noise(SHARD, 1), noise(SHARD, 2)] as const;
/** Where they lie in large file storage. */
const weights = new RegExp(shards.map(sha256).join('|'));

let root: string;
let cache: string;
let server: FileServer;
let hub: HubServer;
const real = (...args: string[]): Promise<Outcome> => cli(args, { engine });

beforeAll(async () => {
  execFileSync(process.execPath, [project('scripts/bootstrap.mjs'), 'build'], { stdio: 'ignore' }); // programs of their own run dist/
  root = scratch();
  server = await FileServer.start();
  hub = await HubServer.start();
  hub.put('owner/tiny', { 'README.md': noise(9), 'model.gguf': gguf }, { large: 1000 });
  hub.put('owner/big', { 'config.json': noise(100), 'model-00001-of-00002.safetensors': shards[0], 'model-00002-of-00002.safetensors': shards[1] });
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
});

if (!stripsTypes) process.stdout.write('Checkpoints by hf: names are not run: this Node does not run TypeScript, as threads that round do\n');

describe('tetrad pull, list, show, rm', () => {
  it('go together', async () => {
    expect(await real('list')).toEqual({ code: 0, out: 'NAME    ID    SIZE    MODIFIED\n', err: '' });
    expect(await real('pull', 'hf:owner/tiny')).toEqual({
      code: 0, out: '', err: 'pulling manifest\npulling files\nverifying sha256 digest\nwriting manifest\nsuccess\n',
    });
    expect((await real('list')).out).toMatch(/^NAME {13}ID {14}SIZE {6}MODIFIED\nhf:owner\/tiny {4}[0-9a-f]{12} {4}\d+ KB {4}(?:now|\d seconds? ago)\n$/);
    const [facts] = JSON.parse((await real('list', '--json')).out);
    expect(facts).toMatchObject({ name: 'hf:owner/tiny', kind: 'gguf', bytes: gguf.length, files: 1, id: expect.stringMatching(/^[0-9a-f]{12}$/) });
    expect(JSON.parse((await real('pull', 'hf:owner/tiny', '--json')).out)).toMatchObject({ id: facts.id, digest: facts.digest });
    expect((await real('show', 'hf:owner/tiny', '--offline')).out).toMatch(/architecture +llama/);
    expect(await real('rm', 'https://huggingface.co/owner/tiny')).toEqual({ code: 0, out: '', err: 'deleted \'https://huggingface.co/owner/tiny\'\n' });
    expect(await real('list', '--json')).toMatchObject({ out: '[]\n' });
    expect(endings(cache)).toEqual([]);
  });

  it('show reads only the headers of what is not in the cache', async () => {
    server.serve('/g', { 'big.gguf': new Uint8Array([...gguf, ...new Uint8Array(8 * 2 ** 20)]) });
    for (const name of ['hf:owner/tiny', `${server.origin}/g/big.gguf`]) expect((await real('show', name)).out).toMatch(/architecture +llama/);
    expect(server.seen.length).toBeLessThan(4);
    expect(existsSync(cache)).toBe(false);
  });

  it.skipIf(!stripsTypes)('run takes names of models elsewhere, and with --offline only those in the cache', async () => {
    const args = ['Hello', '--raw', '--temp', '0', '--max-tokens', '4', '--json'];
    const want = JSON.parse((await real('run', join(tinyFolder('llama3'), 'model.gguf'), ...args)).out).tokens;
    expect(await real('run', 'hf:owner/tiny', '--offline', ...args)).toMatchObject({ code: 1, err: expect.stringMatching(/^Error: Cannot open hf:owner\/tiny offline: it is not in the cache[^\n]*\n$/) });
    expect(JSON.parse((await real('run', 'hf:owner/tiny', ...args)).out).tokens).toEqual(want);
    hub.calm();
    expect(JSON.parse((await real('run', 'hf:owner/tiny', '--offline', ...args)).out).tokens).toEqual(want);
    expect(hub.site.seen).toEqual([]);
    expect((await cli(['run', 'hf:owner/tiny', '--raw', '--max-tokens', '2', '--temp', '0'], { engine, input: 'Hello' })).code).toBe(0);
  });

  it.skipIf(!stripsTypes)('ppl, bench, quantize and eval take them too', async () => {
    const text = join(tinyFolder('llama3'), 'tokenizer_config.json');
    const flags = ['-c', '16', '--windows', '2', '--json'];
    expect(JSON.parse((await real('ppl', 'hf:owner/tiny', '-f', text, ...flags)).out).perplexity).toBeGreaterThan(1);
    expect((await real('bench', 'hf:owner/tiny', '--offline', '-p', '4', '-n', '0', '-r', '1', '-o', 'json')).code).toBe(0);
    expect((await real('quantize', 'hf:owner/tiny', '--offline', '-o', join(root, 'packed'))).code).toBe(0);
    expect((await real('eval', 'hf:owner/tiny', '-f', text, '--base', 'hf:owner/tiny', '--workers', '1', ...flags)).code).toBe(0);
  });

  it.each([
    [['pull', './model.gguf'], 1, 'it is a path, needed is https://HOST/PATH or hf:OWNER/REPO'],
    [['pull', 'hf:owner/none'], 1, 'Repository not found'],
    [['rm', 'hf:owner/none'], 1, 'Cannot remove hf:owner/none: it is not in the cache'],
    [['pull'], 2, 'Expected'],
    [['rm'], 2, 'Expected'],
  ])('%j fails with exit code %d', async (args, code, message) => {
    const outcome = await real(...args);
    expect([outcome.code, outcome.out]).toEqual([code, '']);
    expect(outcome.err).toContain(message);
  });
});

/** The program in a process of its own. */
function start(args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess & { readonly ended: Promise<Outcome> } {
  const child = spawn(process.execPath, [main, ...args], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const texts = { out: '', err: '' };
  child.stdout.on('data', (chunk) => (texts.out += chunk));
  child.stderr.on('data', (chunk) => (texts.err += chunk));
  const ended = once(child, 'close').then(([code]) => ({ code: Number(code), ...texts }));
  return Object.assign(child, { ended });
}

const parts = (): string[] => (existsSync(cache) ? readdirSync(cache).filter((name) => name.includes('.part')) : []);

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; !condition(); i++) {
    if (i > 2000) throw new Error('it never came true');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('tetrad pull in a process of its own', { timeout: 90_000 }, () => {
  it('that is killed goes on where it was', async () => {
    hub.storage.plan(faults.stall(SHARD / 2), { times: 2, path: weights });
    const child = start(['pull', 'hf:owner/big']);
    await until(() => parts().length === 2 && parts().every((name) => readFileSync(join(cache, name)).length === SHARD / 2));
    child.kill('SIGKILL');
    await child.ended;
    expect((await real('list')).out).toContain('unfinished');
    hub.calm();
    expect((await start(['pull', 'hf:owner/big']).ended).code).toBe(0);
    expect(hub.storage.seen.map(({ headers }) => headers.range).filter((range) => range !== 'bytes=0-0' && range !== 'bytes=0-99')).toEqual(Array.from({ length: 2 }, () => `bytes=${SHARD / 2}-${SHARD - 1}`));
    expect(endings(cache)).toEqual(['data', 'data', 'data', 'json', 'json', 'json']);
  });

  it('that is interrupted ends with exit code 130 and keeps what it has', async () => {
    hub.storage.plan(faults.stall(SHARD / 2), { times: 2, path: weights });
    const child = start(['pull', 'hf:owner/big']);
    await until(() => parts().length === 2 && parts().every((name) => readFileSync(join(cache, name)).length === SHARD / 2));
    child.kill('SIGINT');
    expect(await child.ended).toMatchObject({ code: 130, err: expect.stringMatching(/Interrupted\n$/) });
    expect(parts().map((name) => name.replace(/^[^.]+/, ''))).toEqual(['.part', '.part']);
  });

  it('twice at once brings one sound model', async () => {
    const [one, two] = await Promise.all([start(['pull', 'hf:owner/big']).ended, start(['pull', 'hf:owner/big']).ended]);
    expect([one.code, two.code, one.err, two.err].slice(0, 2)).toEqual([0, 0]);
    expect(endings(cache)).toEqual(['data', 'data', 'data', 'json', 'json', 'json']);
    expect((await real('pull', 'hf:owner/big')).code).toBe(0);
  });

  it('goes through the proxy that the environment names, if Node is told to', async () => {
    const asked: string[] = [];
    const proxy: Server = createServer((request, response) => {
      asked.push(request.url!);
      const { host, pathname, search } = new URL(request.url!);
      const [hostname, port] = host.split(':');
      request.pipe(httpRequest({ hostname, port, path: pathname + search, headers: request.headers }, (answer) => {
        response.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(response);
      }));
    });
    proxy.on('connect', (request, socket) => {
      asked.push(request.url!);
      const [hostname, port] = request.url!.split(':');
      const way = connect(Number(port), hostname, () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        way.pipe(socket).pipe(way);
      });
      for (const end of [way, socket]) end.on('error', () => end.destroy());
    });
    await new Promise<void>((listening) => proxy.listen(0, '127.0.0.1', listening));
    const address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const { code, err } = await start(['pull', 'hf:owner/tiny'], { NODE_USE_ENV_PROXY: '1', HTTP_PROXY: address, http_proxy: address, NO_PROXY: '', no_proxy: '' }).ended;
    proxy.close();
    proxy.closeAllConnections();
    expect([code, err]).toEqual([0, expect.stringContaining('success')]);
    const [major, minor] = process.versions.node.split('.').map(Number);
    if (major! > 24 || (major === 24 && minor! >= 5) || (major === 22 && minor! >= 21)) expect(asked.length).toBeGreaterThan(0);
  });
});

/** A file system of its own in memory, with little room: needs the rights to mount. */
const mounts = process.platform === 'linux' && spawnSync('unshare', ['-rm', 'sh', '-c', 'mount -t tmpfs -o size=1m tmpfs /mnt']).status === 0;
if (!mounts) process.stdout.write('A disk that is really full is not tested: small file systems cannot be mounted here\n');

it.skipIf(!mounts)('tetrad pull on a disk that is full says so, leaves nothing half-written, and goes on when there is room', { timeout: 60_000 }, async () => {
  const disk = join(root, 'disk');
  mkdirSync(disk);
  const script = `mount -t tmpfs -o size=4m tmpfs "$1" || exit 9; cd "$1"; "$2" "$3" pull hf:owner/big; echo "code $?"; ls; mount -o remount,size=40m "$1"; "$2" "$3" pull hf:owner/big 2>&1; echo "code $?"`;
  const child = spawn('unshare', ['-rm', 'sh', '-c', script, 'sh', disk, process.execPath, main], { env: { ...process.env, TETRAD_CACHE: disk }, stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk) => (out += chunk));
  child.stderr.on('data', (chunk) => (err += chunk));
  await once(child, 'close');
  expect(err).toMatch(/Error: Cannot write [^\n]*: the disk is full \(ENOSPC\), needed is space for the model\n$/);
  const [first, rest] = out.split('pulling manifest');
  expect(first).toMatch(/^code 1\n/);
  const kinds = first!.trim().split('\n').slice(1).map((name) => name.replace(/^[0-9a-f]+\./, '')).sort();
  expect(kinds.filter((kind) => !['data', 'json', 'part', 'models'].includes(kind))).toEqual([]); // a whole file, or the other one, kept to go on with
  expect(kinds.filter((kind) => kind === 'data')).toHaveLength(kinds.filter((kind) => kind === 'json').length);
  expect(rest).toMatch(/success\ncode 0\n$/);
});

describe('age() and aligned()', () => {
  it.each([[0, 'now'], [999, 'now'], [1000, '1 second ago'], [119_000, '1 minute ago'], [7_200_000, '2 hours ago'], [86_400_000 * 6, '6 days ago'], [86_400_000 * 15, '2 weeks ago']])('%d ms', (ms, text) => expect(age(ms)).toBe(text));
  it('columns begin below each other', () => expect(aligned([['A', 'BB', 'C'], ['long', 'x', 'y']])).toBe('A       BB    C\nlong    x     y\n'));
});
