import type { ByteDirectory, OnProgress } from '../../core/bytes.ts';
import { sha256 } from '../../core/digest.ts';
import { TetradError } from '../../core/errors.ts';
import type { Network } from '../network/network.ts';
import { remoteText, type RemoteName } from '../network/source-name.ts';
import type { CacheStore, Entry } from './cache.ts';
import { download } from './download.ts';
import { findCached, isUndamaged, type CachedFile, type CachedModel } from './list.ts';
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

/** In place of what the cache has, the file of a model as it was when it was downloaded, from where it came from. Rejects with `source_changed` if it is another by now. */
async function fetchAgain(net: Network, store: CacheStore, { name }: CachedModel, { path, key, size, sha256: digest }: CachedFile, signal?: AbortSignal): Promise<void> {
  await store.remove(key);
  const url = key.slice(0, key.lastIndexOf('#'));
  const byDigest = key === `${url}#${digest}`;
  const facts = await download(net, store, { path, url, size, sha256: byDigest ? digest : null }, { signal });
  if (facts.key === key && facts.sha256 === digest) return;
  await store.remove(facts.key);
  throw new TetradError('source_changed', `Cannot mend ${name}: ${path} is another file now, needed is tetrad pull or the like to have all files anew`);
}

/** Downloads those files of a model again whose bytes in the cache are damaged or missing. Reads them all. */
export async function mendModel(net: Network, store: CacheStore, model: CachedModel, signal?: AbortSignal): Promise<void> {
  for (const file of model.files) {
    if (!(await isUndamaged(store, file, signal))) await fetchAgain(net, store, model, file, signal);
  }
}

/**
 * A model from the cache, downloaded first if it is not there, or not as it was written. A model that is there is used as it is, without a request: `pullModel` is
 * who looks for a newer one.
 */
export async function cachedModel(net: Network, store: CacheStore, name: RemoteName, options: CachedOptions = {}): Promise<CachedModel> {
  const { offline, signal } = options;
  const text = remoteText(name);
  const known = await findCached(store, text);
  if (!known || known.files.length === 0) {
    if (offline) throw new TetradError('offline', `Cannot open ${text} offline: it is not in the cache, needed is a download while there is a network`);
    return pullModel(net, store, name, options);
  }
  const missing = await missingFiles(store, known);
  if (missing.length === 0) return known;
  if (offline) {
    const list = missing.map(({ path }) => path).join(', ');
    throw new TetradError('offline', `Cannot open ${text} offline: ${list} of it is missing or damaged in the cache, needed is a download while there is a network`);
  }
  try {
    for (const file of missing) await fetchAgain(net, store, known, file, signal);
    return known;
  } catch (error) {
    if (!TetradError.is(error) || error.code !== 'source_changed') throw error;
    return pullModel(net, store, name, options);
  }
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
