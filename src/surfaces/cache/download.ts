import { TetradError } from '../../core/errors.ts';
import type { Network } from '../network/network.ts';
import type { ModelFile } from '../network/remote-model.ts';
import { askFor, copyRange, type RemoteFile } from '../network/remote-file.ts';
import { shownUrl } from '../network/source-name.ts';
import type { CacheStore, Facts } from './cache.ts';

/** Whether two files with the same key are the same bytes for sure. */
const isVersioned = (file: ModelFile, remote: RemoteFile): boolean => file.sha256 !== null || remote.strong;

const keyOf = (url: string, version: string): string => `${url}#${version}`;

/** The key of a file whose digest is known before it is asked for. */
export const digestKey = (file: ModelFile): string | null => (file.sha256 === null ? null : keyOf(file.url, file.sha256));

/** A file that changes under way, or whose bytes are wrong, is begun anew so many times. */
const MOST_ROUNDS = 3;

const isStale = (error: unknown): boolean => TetradError.is(error) && (error.code === 'source_changed' || error.code === 'digest_mismatch');

export interface DownloadOptions {
  readonly signal?: AbortSignal | undefined;
  /** Hears a file's key as soon as it is known, and how many of its bytes are there. */
  readonly onBytes?: ((key: string, loaded: number, size: number) => void) | undefined;
}

export interface Downloaded extends Facts {
  /** It has just come, and not been there before. */
  readonly fresh: boolean;
}

async function attempt(net: Network, store: CacheStore, file: ModelFile, { signal, onBytes }: DownloadOptions): Promise<Downloaded> {
  const remote = await askFor(net, file.url, signal);
  const { size, version } = remote;
  if (file.size !== null && size !== file.size) {
    throw new TetradError('source_changed', `Cannot read ${shownUrl(file.url)}: it has ${size} bytes, needed are ${file.size}`);
  }
  const versioned = isVersioned(file, remote);
  const key = digestKey(file) ?? keyOf(file.url, versioned ? version! : crypto.randomUUID()); // that of nothing else, until the digest is known
  const there = async (): Promise<Downloaded | null> => {
    const entry = await store.get(key);
    if (entry) onBytes?.(key, size, size);
    return entry && { ...entry.facts, fresh: false };
  };
  const known = await there();
  if (known) return known;
  const partial = await store.begin(key, size, file.sha256 !== null, signal);
  if (!partial) return (await there()) ?? attempt(net, store, file, { signal, onBytes });
  let open = true;
  try {
    let loaded = partial.length;
    onBytes?.(key, loaded, size);
    await copyRange(net, remote, loaded, size, async (chunk) => {
      await partial.append(chunk);
      loaded += chunk.length;
      onBytes?.(key, loaded, size);
    }, signal);
    const sha256 = await partial.digest(signal);
    if (file.sha256 !== null && sha256 !== file.sha256) {
      throw new TetradError('digest_mismatch', `Cannot read ${shownUrl(file.url)}: its SHA-256 is ${sha256}, needed is ${file.sha256}`);
    }
    const own = versioned ? key : keyOf(file.url, sha256);
    await partial.commit(sha256, own);
    open = false;
    return { key: own, size, sha256, fresh: true };
  } catch (error) {
    const full = TetradError.is(error) && error.code === 'storage_full';
    if (open) await (versioned && !full && !isStale(error) ? partial.keep() : partial.discard());
    throw error;
  }
}

/**
 * Brings a file into the cache, unless it is there. Rejects with `digest_mismatch`, `source_changed`, `storage_full`, or as `askFor` does; what has come by
 * then is kept and gone on with the next time, but not where the storage is full or the server does not tell versions apart.
 */
export async function download(net: Network, store: CacheStore, file: ModelFile, options: DownloadOptions = {}): Promise<Downloaded> {
  for (let round = 1; ; round++) {
    try {
      return await attempt(net, store, file, options);
    } catch (error) {
      if (round >= MOST_ROUNDS || !isStale(error)) throw error;
    }
  }
}
