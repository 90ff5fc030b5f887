import { blobCache, type Blobs, type Lock } from '../cache/blob-cache.ts';
import type { CacheStore } from '../cache/cache.ts';

const NAME = 'tetrad';

/** Files in memory, for as long as the page or worker lives. */
export function memoryBlobs(): Blobs {
  const files = new Map<string, Blob>();
  return {
    read: async (name) => files.get(name) ?? null,
    write: async (name, bytes) => void files.set(name, new Blob([bytes])),
    remove: async (name) => void files.delete(name),
    names: async () => [...files.keys()],
  };
}

const isNotFound = (error: unknown): boolean => (error as Partial<Error> | null)?.name === 'NotFoundError';

/** The origin private file system. A file is replaced when its stream is closed. */
async function privateFiles(): Promise<Blobs> {
  const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle(NAME, { create: true });
  const probe = await folder.getFileHandle('probe', { create: true });
  await (await probe.createWritable()).close(); // older engines have files that only workers can write
  return {
    async read(name) {
      try {
        return await (await folder.getFileHandle(name)).getFile();
      } catch (error) {
        if (isNotFound(error)) return null;
        throw error;
      }
    },
    async write(name, bytes) {
      const stream = await (await folder.getFileHandle(name, { create: true })).createWritable();
      try {
        await stream.write(bytes);
        await stream.close();
      } catch (error) {
        await stream.abort().catch(() => {});
        throw error;
      }
    },
    async remove(name) {
      await folder.removeEntry(name).catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
    },
    async names() {
      const names: string[] = [];
      for await (const name of (folder as unknown as { keys(): AsyncIterable<string> }).keys()) names.push(name);
      return names;
    },
  };
}

/** The Cache API, where there is no private file system. */
async function cachedResponses(): Promise<Blobs> {
  const cache = await caches.open(NAME);
  const url = (name: string): string => `https://tetrad.invalid/${name}`;
  return {
    read: async (name) => (await (await cache.match(url(name)))?.blob()) ?? null,
    write: (name, bytes) => cache.put(url(name), new Response(bytes)),
    remove: async (name) => void (await cache.delete(url(name))),
    names: async () => (await cache.keys()).map((request) => request.url.split('/').at(-1)!),
  };
}

/** Files in `first`, and in memory those for which it has no room. */
export function spilling(first: Blobs, onFull: () => void): Blobs {
  const memory = memoryBlobs();
  return {
    read: async (name) => (await memory.read(name)) ?? first.read(name),
    async write(name, bytes) {
      try {
        await first.write(name, bytes);
        await memory.remove(name);
      } catch (error) {
        if ((error as Partial<Error> | null)?.name !== 'QuotaExceededError') throw error;
        onFull();
        await first.remove(name).catch(() => {});
        await memory.write(name, bytes);
      }
    },
    async remove(name) {
      await memory.remove(name);
      await first.remove(name);
    },
    names: async () => [...new Set([...(await memory.names()), ...(await first.names())])],
  };
}

/** Web Locks reach over all tabs of an origin; without them a name is locked within this one. */
function locks(): Lock {
  const manager = (navigator as Partial<Navigator>).locks;
  if (manager) return (name, signal, work) => manager.request(`${NAME}:${name}`, { ...(signal && { signal }) }, work);
  const last = new Map<string, Promise<void>>();
  return (name, signal, work) => {
    const before = last.get(name) ?? Promise.resolve();
    const turn = before.then(() => {
      signal?.throwIfAborted();
      return work();
    });
    last.set(name, turn.catch(() => {}));
    return turn;
  };
}

export interface WebCache extends CacheStore {
  /** What it is kept in. */
  readonly kind: 'files' | 'responses' | 'memory';
}

/**
 * The browser's cache: the origin private file system, else the Cache API, else memory; in a page or a worker. `onNote` hears in a sentence, once, why a model is
 * only in memory.
 */
export async function webCache(onNote: (note: string) => void = () => {}): Promise<WebCache> {
  let told = false;
  const tell = (why: string): void => {
    if (!told) onNote(`The model is kept in memory only, and loaded again the next time: ${why}`);
    told = true;
  };
  const kinds = [['files', privateFiles], ['responses', cachedResponses]] as const;
  for (const [kind, open] of kinds) {
    try {
      const blobs = await open();
      return { ...blobCache(spilling(blobs, () => tell('the browser grants no more storage')), locks()), kind };
    } catch {
      // not in this browser, or not in this context
    }
  }
  tell('this browser gives no storage here');
  return { ...blobCache(memoryBlobs(), locks()), kind: 'memory' };
}
