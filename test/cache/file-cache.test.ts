import { readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { cacheFolder, fileCache } from '../../src/surfaces/adapters/file-cache.ts';
import type { CacheStore } from '../../src/surfaces/cache/cache.ts';
import { bytesOf, cached, endings, scratch, sha256 } from '../support/cache.ts';
import { noise } from '../support/network.ts';

/** Bytes that the disk still has room for. */
const disk = vi.hoisted(() => ({ room: Infinity }));
vi.mock(import('node:fs/promises'), async (original) => {
  const real = await original();
  const take = (bytes: number): void => {
    if ((disk.room -= bytes) < 0) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  };
  return {
    ...real,
    async open(path, flags, mode) {
      const handle = await real.open(path, flags, mode);
      const write = handle.write.bind(handle) as (bytes: Uint8Array, ...rest: number[]) => ReturnType<typeof handle.write>;
      const writeFile = handle.writeFile.bind(handle);
      return Object.assign(handle, {
        write: async (bytes: Uint8Array, ...rest: number[]) => (take(bytes.length), write(bytes, ...rest)),
        writeFile: async (text: string) => (take(text.length), writeFile(text)),
      });
    },
  };
});

let folder: string;
let store: CacheStore;
beforeEach(() => {
  folder = scratch();
  store = fileCache(join(folder, 'new', 'cache'));
  folder = join(folder, 'new', 'cache');
});
afterEach(() => {
  disk.room = Infinity;
  rmSync(join(folder, '..', '..'), { recursive: true });
});

const KEY = 'https://host/file#v1';
const bytes = noise(100_000);
const half = 60_000;

async function begin(trusted = false) {
  const part = await store.begin(KEY, bytes.length, trusted);
  if (!part) throw new Error('another writer finished it');
  return part;
}

/** How much of the file is there to go on with. */
async function lengthLeft(trusted = false): Promise<number> {
  const part = await begin(trusted);
  const { length } = part;
  await part.discard();
  return length;
}

async function put(): Promise<void> {
  const part = await begin();
  await part.append(bytes);
  expect(await part.digest()).toBe(sha256(bytes));
  await part.commit(sha256(bytes));
}

describe('fileCache()', () => {
  it('has an entry when it is committed, and not before', async () => {
    expect(await store.get(KEY)).toBeNull();
    const part = await begin();
    await part.append(bytes.subarray(0, half));
    await part.append(bytes.subarray(half));
    expect([part.length, await store.get(KEY)]).toEqual([bytes.length, null]);
    await part.commit(sha256(bytes));
    const entry = (await store.get(KEY))!;
    expect(entry.facts).toEqual({ key: KEY, size: bytes.length, sha256: sha256(bytes) });
    expect(Buffer.compare(await bytesOf(entry), bytes)).toBe(0);
    expect(await entry.digest()).toBe(sha256(bytes));
    expect(endings(folder)).toEqual(['data', 'json']);
    expect(await store.get(`${KEY}2`)).toBeNull();
    await store.remove(KEY);
    await store.remove(KEY);
    expect([await store.get(KEY), endings(folder)]).toEqual([null, []]);
  });

  it('goes on with a part that was kept', async () => {
    const first = await begin();
    await first.append(bytes.subarray(0, half));
    await first.keep();
    expect(endings(folder)).toEqual(['part']);
    const second = await begin();
    expect(second.length).toBe(half);
    await second.append(bytes.subarray(half));
    await second.commit(await second.digest());
    expect(Buffer.compare((await cached(store, KEY))!, bytes)).toBe(0);
    expect(endings(folder)).toEqual(['data', 'json']);
  });

  it('keeps nothing of an empty or a discarded part', async () => {
    await (await begin()).keep();
    const part = await begin();
    await part.append(bytes);
    await part.discard();
    expect(endings(folder)).toEqual([]);
  });

  it('two writers of one file do not meet, and both succeed', async () => {
    const [one, two] = [await begin(), await begin()];
    await one.append(bytes.subarray(0, half));
    await two.append(bytes);
    await two.commit(sha256(bytes));
    await one.append(bytes.subarray(half));
    expect(await one.digest()).toBe(sha256(bytes));
    await one.commit(sha256(bytes));
    expect(Buffer.compare((await cached(store, KEY))!, bytes)).toBe(0);
    expect(endings(folder)).toEqual(['data', 'json']);
  });

  describe('a part of a program that was killed', () => {
    const leave = async (change: (name: string) => string): Promise<string> => {
      const part = await begin();
      await part.append(bytes.subarray(0, half));
      const name = readdirSync(folder).find((entry) => entry.includes('.part-'))!;
      await part.keep(); // for its handle
      renameSync(join(folder, name.replace(/-.*/, '')), join(folder, change(name)));
      return join(folder, change(name));
    };
    /** Above any pid_max. */
    const dead = (name: string): string => name.replace(/-\d+-([0-9a-f]+)$/, '-4194999-$1');

    it('is gone on with', async () => {
      await leave(dead);
      expect(await lengthLeft()).toBe(half);
    });

    it('is not taken while its program runs, here or elsewhere', async () => {
      await leave((name) => name);
      expect(await lengthLeft()).toBe(0);
      await leave((name) => dead(name).replace('.part-', '.part-elsewhere'));
      expect(await lengthLeft()).toBe(0);
    });

    it('that has not been written to for an hour is taken only where its digest will be checked', async () => {
      const path = await leave((name) => dead(name).replace('.part-', '.part-elsewhere'));
      const old = Date.now() / 1000 - 2 * 3600;
      utimesSync(path, old, old);
      expect(await lengthLeft(false)).toBe(0);
      expect(await lengthLeft(true)).toBe(half);
    });

    it('from before the machine was started is taken only where its digest will be checked', async () => {
      const path = await leave(dead);
      utimesSync(path, 1000, 1000);
      expect(await lengthLeft(false)).toBe(0);
      expect(await lengthLeft(true)).toBe(half);
    });

    it('that is too long is not taken', async () => {
      const path = await leave(dead);
      writeFileSync(path, new Uint8Array(bytes.length + 1));
      expect(await lengthLeft()).toBe(0);
    });
  });

  it.each<[string, (file: string) => void]>([
    ['shorter', (file) => writeFileSync(file, bytes.subarray(0, half))],
    ['longer', (file) => writeFileSync(file, new Uint8Array(bytes.length + 1))],
    ['gone', (file) => rmSync(file)],
  ])('has no entry whose file is %s', async (_, damage) => {
    await put();
    damage(join(folder, readdirSync(folder).find((name) => name.endsWith('.data'))!));
    expect(await store.get(KEY)).toBeNull();
    await put();
    expect(await store.get(KEY)).not.toBeNull();
  });

  it('has no entry whose facts are damaged or of another key', async () => {
    for (const text of ['', '{', 'null', '{"key":"x"}', JSON.stringify({ key: 'other', size: bytes.length, sha256: 'x' })]) {
      await put();
      writeFileSync(join(folder, readdirSync(folder).find((name) => name.endsWith('.json'))!), text);
      expect(await store.get(KEY)).toBeNull();
    }
  });

  it('a full disk is storage_full at each write, and leaves nothing', async () => {
    for (const room of [0, half, bytes.length + 10]) {
      disk.room = room;
      const part = await begin();
      const work = async (): Promise<void> => {
        await part.append(bytes.subarray(0, half));
        await part.append(bytes.subarray(half));
        await part.commit(sha256(bytes));
      };
      await expect(work()).rejects.toMatchObject({ code: 'storage_full', message: expect.stringMatching(/the disk is full \(ENOSPC\)/) });
      await part.discard();
      expect([endings(folder), await store.get(KEY)]).toEqual([[], null]);
    }
    disk.room = 0;
    await expect(store.notes.put('name', 'text')).rejects.toMatchObject({ code: 'storage_full' });
    expect(readdirSync(join(folder, 'models'))).toEqual([]);
    disk.room = Infinity;
    await put();
    expect(await store.get(KEY)).not.toBeNull();
  });

  it('a place that cannot be written is an io_error', async () => {
    writeFileSync(join(folder, '..', '..', 'file'), '');
    await expect(fileCache(join(folder, '..', '..', 'file', 'x')).begin(KEY, 1, false)).rejects.toMatchObject({ code: 'io_error' });
    expect(await fileCache(join(folder, '..', '..', 'file')).get(KEY)).toBeNull();
  });

  it('notes are replaced as a whole and removed', async () => {
    expect(await store.notes.list()).toEqual([]);
    await store.notes.put('hf:o/r', 'one');
    await store.notes.put('hf:o/r', 'two');
    await store.notes.put('other', 'three');
    expect((await store.notes.list()).sort()).toEqual(['three', 'two']);
    await store.notes.remove('hf:o/r');
    await store.notes.remove('none');
    expect(await store.notes.list()).toEqual(['three']);
    expect(readFileSync(join(folder, 'models', readdirSync(join(folder, 'models'))[0]!), 'utf8')).toBe('three');
    expect(statSync(folder).isDirectory()).toBe(true);
  });
});

describe('cacheFolder()', () => {
  it.each([
    [{ TETRAD_CACHE: '/t', XDG_CACHE_HOME: '/x' }, '/t'],
    [{ TETRAD_CACHE: '', XDG_CACHE_HOME: '/x' }, join('/x', 'tetrad')],
    [{}, expect.stringMatching(/[\\/]\.cache[\\/]tetrad$/)],
  ])('of %j', (env, path) => expect(cacheFolder(env)).toEqual(path));
});
