import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blobCache, type Blobs, type Lock } from '../../src/surfaces/cache/blob-cache.ts';
import type { CacheStore } from '../../src/surfaces/cache/cache.ts';
import { cachedModel } from '../../src/surfaces/cache/open.ts';
import { listModels } from '../../src/surfaces/cache/list.ts';
import { pullModel } from '../../src/surfaces/cache/pull.ts';
import { memoryBlobs, spilling } from '../../src/surfaces/adapters/web-cache.ts';
import { cached, remote, sha256 } from '../support/cache.ts';
import { FileServer, faults, served } from '../support/file-server.ts';
import { noise, quickNetwork } from '../support/network.ts';

const KEY = 'https://host/file#v1';
const bytes = noise(10_000);

/** One at a time under each name; `waiting` counts those that have to. */
function fairLock(): Lock & { waiting: number } {
  const last = new Map<string, Promise<void>>();
  const lock: Lock & { waiting: number } = Object.assign((async (name, signal, work) => {
    const before = last.get(name);
    if (before) lock.waiting++;
    const turn = (before ?? Promise.resolve()).then(() => {
      signal?.throwIfAborted();
      return work();
    });
    last.set(name, turn.catch(() => {}));
    return turn;
  }) as Lock, { waiting: 0 });
  return lock;
}

/** Blobs with so much room, in the words of a browser. */
function narrow(room: number): Blobs {
  const blobs = memoryBlobs();
  let left = room;
  return {
    ...blobs,
    async write(name, content) {
      if ((left -= content.length) < 0) throw new DOMException('The quota has been exceeded.', 'QuotaExceededError');
      return blobs.write(name, content);
    },
  };
}

async function begin(store: CacheStore) {
  const part = await store.begin(KEY, bytes.length, false);
  if (!part) throw new Error('it is there');
  return part;
}

describe('blobCache()', () => {
  it('has an entry when it is committed, goes on with what was kept, and removes it', async () => {
    const blobs = memoryBlobs();
    const store = blobCache(blobs, fairLock());
    const first = await begin(store);
    await first.append(bytes.subarray(0, 4000));
    await first.keep();
    expect(await store.get(KEY)).toBeNull();
    const second = await begin(store);
    expect(second.length).toBe(4000);
    await second.append(bytes.subarray(4000));
    expect(await second.digest()).toBe(sha256(bytes));
    await second.commit(sha256(bytes));
    expect(Buffer.compare((await cached(store, KEY))!, bytes)).toBe(0);
    expect(await (await store.get(KEY))!.digest()).toBe(sha256(bytes));
    expect((await blobs.names()).length).toBe(2);
    await store.remove(KEY);
    expect([await store.get(KEY), await blobs.names()]).toEqual([null, []]);
  });

  it('a second writer waits, and then finds it there', async () => {
    const lock = fairLock();
    const store = blobCache(memoryBlobs(), lock);
    const first = await begin(store);
    const second = store.begin(KEY, bytes.length, false);
    await first.append(bytes);
    await first.commit(sha256(bytes));
    expect([await second, lock.waiting]).toEqual([null, 1]);
  });

  it('a second writer takes over from one that gave up, and an abort ends the wait', async () => {
    const store = blobCache(memoryBlobs(), fairLock());
    const first = await begin(store);
    const second = begin(store);
    await first.discard();
    const part = await second;
    const third = store.begin(KEY, bytes.length, false, AbortSignal.abort(new Error('enough')));
    await part.discard();
    await expect(third).rejects.toThrow('enough');
  });

  it('without room is storage_full, and a file that is much too large is refused', async () => {
    const store = blobCache(narrow(5000), fairLock());
    const part = await begin(store);
    await part.append(bytes);
    await expect(part.commit(sha256(bytes))).rejects.toMatchObject({ code: 'storage_full', message: expect.stringContaining('QuotaExceededError') });
    await part.discard();
    expect(await store.get(KEY)).toBeNull();
    await expect(store.begin(KEY, 2 ** 30, false)).rejects.toMatchObject({ code: 'storage_full' });
    await expect(store.notes.put('x', 'y'.repeat(9999))).rejects.toMatchObject({ code: 'storage_full' });
  });
});

describe('spilling()', () => {
  let server: FileServer;
  beforeAll(async () => {
    server = await FileServer.start();
    server.files.set('/a.gguf', served(noise(60_000)));
  });
  afterAll(() => server.close());

  it.each([0, 30_000, 60_100])('pulls into memory what has no room in %d bytes, and says so once', async (room) => {
    const notes: string[] = [];
    const first = narrow(room);
    const store = blobCache(spilling(first, () => notes.push('full')), fairLock());
    const name = remote(`${server.origin}/a.gguf`);
    const model = await pullModel(quickNetwork(), store, name);
    expect(Buffer.compare((await cached(store, model.files[0]!.key))!, noise(60_000))).toBe(0);
    expect(await cachedModel(quickNetwork(), store, name, { offline: true })).toEqual(model);
    expect(notes.length).toBeGreaterThan(0);
    const later = blobCache(first, fairLock());
    for (const { files } of await listModels(later)) for (const { key } of files) expect(await cached(later, key)).toBeNull();
  });

  it('an abort keeps what has come', async () => {
    const store = blobCache(memoryBlobs(), fairLock());
    const stop = new AbortController();
    server.plan(faults.stall(20_000));
    const pulled = pullModel(quickNetwork({ stallMs: 20_000 }), store, remote(`${server.origin}/a.gguf`), { signal: stop.signal, onProgress: ({ loaded }) => loaded >= 20_000 && stop.abort(new Error('enough')) });
    await expect(pulled).rejects.toThrow('enough');
    server.calm();
    await pullModel(quickNetwork(), store, remote(`${server.origin}/a.gguf`));
    expect(server.seen.at(-1)!.headers.range).toBe('bytes=20000-59999');
  });
});
