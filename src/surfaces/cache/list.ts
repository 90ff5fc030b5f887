import { sha256 } from '../../core/digest.ts';
import type { ModelKind } from '../network/hub.ts';
import type { CacheStore } from './cache.ts';

/** A file of a model in the cache. */
export interface CachedFile {
  /** Within the model. */
  readonly path: string;
  readonly key: string;
  readonly size: number;
  readonly sha256: string;
}

/** A model in the cache. */
export interface CachedModel {
  /** As `remoteText` writes it. */
  readonly name: string;
  readonly kind: ModelKind;
  /** Empty: the model has never been here whole. */
  readonly files: readonly CachedFile[];
  /** Keys of what a download that has not ended has brought or was to bring. */
  readonly pending: readonly string[];
  /** Milliseconds since 1970 of the last download. */
  readonly time: number;
}

const isFile = (value: unknown): value is CachedFile => {
  const { path, key, size, sha256: digest } = Object(value) as Partial<CachedFile>;
  return typeof path === 'string' && typeof key === 'string' && typeof size === 'number' && typeof digest === 'string';
};

/** A note as a model; null for one that is damaged or of a newer version. */
function parse(text: string): CachedModel | null {
  try {
    const { version, name, kind, files, pending, time } = JSON.parse(text) as Partial<CachedModel> & { version?: unknown };
    const sound = version === 1 && typeof name === 'string' && (kind === 'container' || kind === 'gguf' || kind === 'safetensors') && typeof time === 'number';
    return sound && Array.isArray(files) && files.every(isFile) && Array.isArray(pending) ? { name, kind, files, pending, time } : null;
  } catch {
    return null;
  }
}

/** All models in the cache, the newest first. */
export async function listModels(store: CacheStore): Promise<CachedModel[]> {
  const models = (await store.notes.list()).flatMap((text) => parse(text) ?? []);
  return models.sort((a, b) => b.time - a.time || (a.name < b.name ? -1 : 1));
}

export const findCached = async (store: CacheStore, name: string): Promise<CachedModel | null> => (await listModels(store)).find((model) => model.name === name) ?? null;

/** Whether a file in the cache has the bytes that were once written. Reads them all. */
export async function isUndamaged(store: CacheStore, { key, sha256: digest }: CachedFile, signal?: AbortSignal): Promise<boolean> {
  const entry = await store.get(key);
  return entry !== null && (await entry.digest(signal)) === digest;
}

const keysOf = ({ files, pending }: CachedModel): string[] => [...files.map(({ key }) => key), ...pending];

/** Removes those of `keys` that no model needs. */
async function sweep(store: CacheStore, keys: readonly string[]): Promise<void> {
  const needed = new Set((await listModels(store)).flatMap(keysOf));
  for (const key of new Set(keys)) if (!needed.has(key)) await store.remove(key);
}

/** Notes a model, and removes files that only its last version had. */
export async function noteModel(store: CacheStore, model: CachedModel): Promise<void> {
  const old = await findCached(store, model.name);
  await store.notes.put(model.name, JSON.stringify({ version: 1, ...model }));
  if (old) await sweep(store, keysOf(old));
}

/** Removes a model and the files that no other needs; false if there is none of that name. */
export async function removeModel(store: CacheStore, name: string): Promise<boolean> {
  const model = await findCached(store, name);
  if (!model) return false;
  await store.notes.remove(name);
  await sweep(store, keysOf(model));
  return true;
}

export const sizeOf = ({ files }: CachedModel): number => files.reduce((sum, { size }) => sum + size, 0);

/** Tells versions of a model apart: a digest of its files' digests. */
export function modelDigest({ files }: CachedModel): Promise<string> {
  const lines = files.map(({ path, sha256: digest }) => `${path} ${digest}\n`).sort();
  return sha256(new TextEncoder().encode(lines.join('')));
}
