import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { fetchDirectory } from '../../src/surfaces/network/fetch-directory.ts';
import { fetchSource } from '../../src/surfaces/network/fetch-source.ts';
import { readAhead } from '../../src/surfaces/network/read-ahead.ts';
import { FileServer, faults, served, type Fault } from '../support/file-server.ts';
import { noise, quickNetwork } from '../support/network.ts';

const SIZE = 300_000;
const bytes = noise(SIZE);
let server: FileServer;
let url: string;
beforeAll(async () => {
  server = await FileServer.start();
  url = `${server.origin}/file`;
});
afterAll(() => server.close());
afterEach(() => {
  server.calm();
  server.files.set('/file', served(bytes));
});

const reset = (): void => void server.files.set('/file', served(bytes));
beforeAll(reset);

async function read(offset: number, length: number, net = quickNetwork(), signal?: AbortSignal): Promise<Uint8Array> {
  const source = await fetchSource(net, url, signal);
  const target = new Uint8Array(length);
  await source.read(offset, target, signal);
  return target;
}

const same = (found: Uint8Array, offset: number): boolean => Buffer.compare(found, bytes.subarray(offset, offset + found.length)) === 0;

describe('fetchSource()', () => {
  it('knows the size and reads ranges, each with one request', async () => {
    const source = await fetchSource(quickNetwork(), url);
    expect([source.size, source.name]).toEqual([SIZE, url]);
    for (const [offset, length] of [[0, 10], [SIZE - 7, 7], [1000, 100_000], [0, SIZE]] as const) {
      const target = new Uint8Array(length);
      await source.read(offset, target);
      expect(same(target, offset)).toBe(true);
    }
    expect(server.seen.map(({ headers }) => headers.range)).toEqual(['bytes=0-0', 'bytes=0-9', `bytes=${SIZE - 7}-${SIZE - 1}`, 'bytes=1000-100999', `bytes=0-${SIZE - 1}`]);
    expect(server.seen[1]!.headers['if-range']).toBe(server.files.get('/file')!.etag);
    await source.read(5, new Uint8Array(0));
    await expect(source.read(SIZE - 1, new Uint8Array(2))).rejects.toMatchObject({ code: 'invalid_file' });
  });

  it('reads an empty file', async () => {
    server.files.set('/file', served(new Uint8Array(0)));
    expect((await fetchSource(quickNetwork(), url)).size).toBe(0);
  });

  it('writes into shared memory', async () => {
    const target = new Uint8Array(new SharedArrayBuffer(5000));
    await (await fetchSource(quickNetwork(), url)).read(77, target);
    expect(same(target.slice(), 77)).toBe(true);
  });

  it.each<[string, Fault, number]>([
    ['cuts', faults.cut(50_000), 4],
    ['stalls', faults.stall(50_000), 2],
    ['answers 500', faults.status(500), 3],
    ['answers 502', faults.status(502), 1],
    ['answers 503', faults.status(503), 1],
    ['answers 429', faults.status(429), 2],
    ['gives another range', faults.elsewhere(5), 2],
    ['states another range', faults.shifted(1), 2],
    ['gives more than the range', faults.surplus(10), 2],
    ['gives shorter ranges', faults.shorter(40_000), 5],
    ['ignores ranges', faults.noRanges(), 9],
    ['ignores ranges and compresses', (reply, file, range) => { faults.noRanges()(reply, file, range); faults.gzip()(reply, file, range); }, 1],
  ])('gives the right bytes from a server that %s', async (_, fault, times) => {
    server.plan(fault, { times });
    expect(same(await read(1234, 250_000), 1234)).toBe(true);
  });

  it('goes on from the byte reached after a cut', async () => {
    server.plan(faults.cut(100_000));
    await read(0, SIZE);
    const ranges = server.seen.slice(1).map(({ headers }) => headers.range);
    expect(ranges[0]).toBe(`bytes=0-${SIZE - 1}`);
    const from = Number(/=(\d+)-/.exec(ranges[1]!)![1]);
    expect(from).toBeGreaterThan(0);
    expect(from).toBeLessThanOrEqual(100_000);
    expect(ranges).toHaveLength(2);
  });

  it('waits longer each time, as long as a server asks, and gives up after 5 attempts without progress', async () => {
    const net = quickNetwork();
    server.plan(faults.status(503), { times: 2 });
    server.plan(faults.status(429, { 'retry-after': '7' }), { times: 1 });
    await read(0, 10, net);
    expect(net.waits).toEqual([500, 1000, 7000]);
    server.plan(faults.status(500), { times: 99 });
    const hopeless = quickNetwork();
    await expect(read(0, 10, hopeless)).rejects.toMatchObject({ code: 'network_error', message: `Cannot read ${url}: the server answers 500` });
    expect(hopeless.waits).toEqual([500, 1000, 2000, 4000]);
  });

  it('does not wait for hours', async () => {
    const net = quickNetwork();
    server.plan(faults.status(503, { 'retry-after': '86400' }));
    await expect(read(0, 10, net)).rejects.toMatchObject({ code: 'network_error' });
    expect(net.waits).toEqual([]);
  });

  it('progress resets the count of attempts', async () => {
    server.plan(faults.cut(70_000), { times: 4 });
    server.plan(faults.status(500), { times: 3 });
    expect(same(await read(0, SIZE), 0)).toBe(true);
  });

  it.each([[401, 'unauthorized'], [403, 'unauthorized'], [404, 'not_found'], [410, 'not_found'], [418, 'network_error'], [500, 'network_error']])('says what %d means', async (status, code) => {
    for (const asking of [true, false]) {
      server.calm();
      server.plan(faults.status(status), { times: 99, asking });
      await expect(read(0, 10)).rejects.toMatchObject({ code, message: expect.stringContaining(`answers ${status}`) });
      if (status < 500) expect(server.seen.length).toBe(asking ? 1 : 2);
    }
  });

  it('says that a token is needed', async () => {
    server.plan(faults.status(401, { 'x-error-message': 'Access is restricted' }), { asking: true });
    await expect(read(0, 10)).rejects.toMatchObject({ message: `Cannot read ${url}: the server answers 401 (Access is restricted), needed is the token of an account with access, for the hub in HF_TOKEN` });
  });

  it('a server that is not there is a network error', async () => {
    const gone = await FileServer.start();
    const { origin } = gone;
    gone.close();
    const net = quickNetwork();
    await expect(fetchSource(net, `${origin}/x?sig=secret`)).rejects.toMatchObject({ code: 'network_error', message: `Cannot read ${origin}/x: the connection failed (ECONNREFUSED)` });
    expect(net.waits).toHaveLength(4);
  });

  it.each<[string, () => void]>([
    ['another etag', () => server.files.set('/file', { bytes: bytes.slice().fill(7), etag: '"other"' })],
    ['another size', () => server.files.set('/file', { bytes: bytes.subarray(0, SIZE - 5), etag: null })],
    ['no bytes', () => server.files.set('/file', { bytes: new Uint8Array(0), etag: null })],
  ])('a file that changes in the middle is an error: %s', async (_, change) => {
    server.plan(faults.cut(100_000));
    let requests = 0;
    server.before(() => {
      if (++requests === 3) change();
    });
    await expect(read(0, SIZE)).rejects.toMatchObject({ code: 'source_changed' });
  });

  it('a changed file is an error where If-Range cannot be sent, too', async () => {
    const net = quickNetwork({ ifRange: false });
    const source = await fetchSource(net, url);
    server.files.set('/file', { bytes: bytes.slice().fill(7), etag: '"other"' });
    await expect(source.read(9, new Uint8Array(9))).rejects.toMatchObject({ code: 'source_changed' });
    expect(server.seen.every(({ headers }) => headers['if-range'] === undefined)).toBe(true);
  });

  it('refuses compressed ranges', async () => {
    server.plan(faults.gzip(), { times: 99 });
    await expect(read(10, 1000)).rejects.toMatchObject({ code: 'network_error', message: expect.stringContaining('compresses a range (gzip)') });
  });

  it('reads a whole file whose server knows neither length nor ranges', async () => {
    for (const fault of [faults.noLength(), faults.gzip()]) {
      server.calm();
      server.plan((reply, file, range) => { faults.noRanges()(reply, file, range); fault(reply, file, range); }, { asking: true });
      expect(same(await read(99, 1000), 99)).toBe(true);
    }
  });

  it('refuses to skip what is much where there are no ranges', async () => {
    server.files.set('/file', served(new Uint8Array(20 * 2 ** 20)));
    server.plan(faults.noRanges(), { asking: true });
    await expect(read(17 * 2 ** 20, 10)).rejects.toMatchObject({ code: 'network_error', message: expect.stringContaining('gives no ranges') });
  });

  it('an abort ends it at each stage, and only it', async () => {
    const stages: [string, () => void][] = [['before', () => {}], ['in the answer', () => server.plan(faults.stall(0))], ['in the body', () => server.plan(faults.stall(1000))]];
    for (const [stage, plan] of stages) {
      server.calm();
      plan();
      const stop = new AbortController();
      if (stage === 'before') stop.abort(new Error('enough'));
      else setTimeout(() => stop.abort(new Error('enough')), 60);
      await expect(read(0, SIZE, quickNetwork({ stallMs: 20_000 }), stop.signal), stage).rejects.toThrow('enough');
    }
    const stop = new AbortController();
    server.plan(faults.status(500), { times: 9 });
    const net = quickNetwork({ sleep: async () => stop.abort(new Error('in a pause')) });
    await expect(read(0, 10, net, stop.signal)).rejects.toThrow('in a pause');
  });

  it('follows redirects, to other hosts too', async () => {
    const other = await FileServer.start();
    other.files.set('/real', served(bytes));
    server.plan(faults.redirect('/moved'), { path: /file/, asking: true });
    server.files.set('/moved', served(bytes));
    server.plan(faults.redirect(`${other.origin}/real?sig=1`), { path: /file/, times: 9 });
    expect(same(await read(5, 1000), 5)).toBe(true);
    server.calm();
    server.plan(faults.redirect('/file'), { times: 999, asking: true });
    await expect(read(0, 10)).rejects.toMatchObject({ code: 'network_error' });
    other.close();
  });
});

describe('fetchDirectory()', () => {
  it('opens and finds the files below a URL', async () => {
    const base = server.serve('/m o', { 'a.bin': noise(10), 'sub/b.json': noise(4) });
    const dir = fetchDirectory(quickNetwork(), `${base}/?sig=1`);
    expect([(await dir.open('sub/b.json')).size, await dir.has('a.bin'), await dir.has('none')]).toEqual([4, true, false]);
    await expect(dir.open('none')).rejects.toMatchObject({ code: 'not_found' });
    expect(server.seen.every(({ path }) => path.endsWith('?sig=1'))).toBe(true);
    server.plan(faults.status(500), { asking: true, times: 99 });
    await expect(dir.has('a.bin')).rejects.toMatchObject({ code: 'network_error' });
  });
});

describe('readAhead()', () => {
  it('makes few requests of many reads, and the same bytes', async () => {
    const big = noise(9 * 2 ** 20, 3);
    server.files.set('/file', served(big));
    const source = readAhead(await fetchSource(quickNetwork(), url));
    for (const [offset, length] of [[0, 9], [4 * 2 ** 20 - 5, 10], [9 * 2 ** 20 - 3, 3], [100, 8000], [10, 5 * 2 ** 20]] as const) {
      const target = new Uint8Array(length);
      await source.read(offset, target);
      expect(Buffer.compare(target, big.subarray(offset, offset + length))).toBe(0);
    }
    expect(server.seen).toHaveLength(1 + 3 + 1);
    await expect(source.read(9 * 2 ** 20, new Uint8Array(1))).rejects.toMatchObject({ code: 'invalid_file' });
  });
});
