import type { ByteDirectory, OnProgress } from '../../core/bytes.ts';
import { sha256 } from '../../core/digest.ts';
import { TetradError } from '../../core/errors.ts';
import type { Network } from '../network/network.ts';
import { remoteText, type RemoteName } from '../network/source-name.ts';
import type { CacheStore, Entry } from './cache.ts';
import { findCached, type CachedFile, type CachedModel } from './list.ts';
import { pullModel } from './pull.ts';

export interface CachedOptions {
  /** Only what is in the cache; what is missing is an error, `offline`. */
  readonly offline?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** Text files are checked whenever they are opened, as nothing else would notice; weights by who reads them, or by `pullModel`. */
const CHECKED = /\.(?:json|jinja)$/;

async function isSound({ facts, open }: Entry, path: string): Promise<boolean> {
  if (!CHECKED.test(path)) return true;
  const source = await open();
  const bytes = new Uint8Array(source.size);
  await source.read(0, bytes).finally(() => source.close?.());
  return (await sha256(bytes)) === facts.sha256;
}

/** The files of a model that are missing from the cache or damaged there. */
async function missingFiles(store: CacheStore, { files }: CachedModel): Promise<CachedFile[]> {
  const missing: CachedFile[] = [];
  for (const file of files) {
    const entry = await store.get(file.key);
    if (entry && (await isSound(entry, file.path))) continue;
    missing.push(file);
  }
  return missing;
}

/**
 * A model from the cache, downloaded first if it is not there, or not as it was written. A model that is there is used as it is, without a request: `pullModel` is
 * who looks for a newer one.
 */
export async function cachedModel(net: Network, store: CacheStore, name: RemoteName, options: CachedOptions = {}): Promise<CachedModel> {
  const text = remoteText(name);
  const known = await findCached(store, text);
  const missing = known ? await missingFiles(store, known) : [];
  if (known && known.files.length > 0 && missing.length === 0) return known;
  if (options.offline) {
    const what = missing.length > 0 ? `${missing.map(({ path }) => path).join(', ')} of it is missing or damaged` : 'it is not in the cache';
    throw new TetradError('offline', `Cannot open ${text} offline: ${what}, needed is a download while there is a network`);
  }
  for (const { key } of missing) await store.remove(key);
  return pullModel(net, store, name, options);
}

/** The files of a model in the cache. */
export function cachedDirectory(store: CacheStore, { name, files }: CachedModel): ByteDirectory {
  const keys = new Map(files.map(({ path, key }) => [path, key]));
  return {
    name,
    has: async (path) => keys.has(path),
    async open(path) {
      const key = keys.get(path);
      const entry = key === undefined ? null : await store.get(key);
      if (!entry) throw new TetradError('not_found', `Cannot open ${name}/${path}: there is no such file in the cache`);
      return { ...(await entry.open()), name: `${name}/${path}` };
    },
  };
}
