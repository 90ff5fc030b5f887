import type { ByteDirectory, OnProgress } from '../../core/bytes.ts';
import { TetradError } from '../../core/errors.ts';
import { readShards } from '../../container/read.ts';
import { findModel, type ModelFile, type RemoteModel } from '../network/remote-model.ts';
import type { Network } from '../network/network.ts';
import { childUrl, remoteText, type RemoteName } from '../network/source-name.ts';
import type { CacheStore } from './cache.ts';
import { digestKey, download } from './download.ts';
import { findCached, isUndamaged, noteModel, type CachedFile, type CachedModel } from './list.ts';
import { inParallel } from './parallel.ts';

export interface PullOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
  /** Hears what is begun: `pulling manifest`, `pulling files`, `verifying sha256 digest`, `writing manifest`. */
  readonly onStage?: ((stage: string) => void) | undefined;
}

/** Files on their way at once. */
const PARALLEL = 2;

/** A file of the last version with the same digest is the same file, whatever its URL. */
function reused(file: ModelFile, old: CachedModel | null): CachedFile | null {
  return old?.files.find(({ path, sha256 }) => path === file.path && sha256 === file.sha256) ?? null;
}

/** The shards that `model.json` names, as files. What the hub says of their digests must agree. */
async function shardFiles(model: RemoteModel, dir: ByteDirectory, signal?: AbortSignal): Promise<ModelFile[]> {
  return (await readShards(dir, signal)).map(({ name, bytes, sha256 }) => {
    const listed = model.files.find(({ path }) => path === name);
    if (listed?.sha256 && listed.sha256 !== sha256) {
      throw new TetradError('digest_mismatch', `Cannot read ${model.name}: the hub's SHA-256 of ${name} is ${listed.sha256}, needed is ${sha256}`);
    }
    return { path: name, url: childUrl(model.base, name), size: bytes, sha256 };
  });
}

/** One run of `pull`: what it shares. */
class Pull {
  readonly net: Network;
  readonly store: CacheStore;
  readonly options: PullOptions;
  readonly model: RemoteModel;
  readonly old: CachedModel | null;
  readonly #pending = new Set<string>();
  /** Files that came in this run: their digests have just been computed. */
  readonly fresh = new Set<string>();
  #noted: Promise<void> = Promise.resolve();
  readonly #loaded = new Map<string, { loaded: number; size: number }>();
  /** Bytes of files that are known, whether or not they have been asked for. */
  total = 0;

  constructor(net: Network, store: CacheStore, options: PullOptions, model: RemoteModel, old: CachedModel | null) {
    [this.net, this.store, this.options, this.model, this.old] = [net, store, options, model, old];
    old?.pending.forEach((key) => this.#pending.add(key));
  }

  /** Notes which files are on their way, so that `removeModel` finds what an interruption leaves. */
  note(keys: readonly (string | null)[]): Promise<void> {
    const before = this.#pending.size;
    for (const key of keys) if (key !== null) this.#pending.add(key);
    if (this.#pending.size === before) return this.#noted;
    return (this.#noted = this.#write(this.#noted));
  }

  async #write(before: Promise<void>): Promise<void> {
    await before;
    const { name, kind } = this.model;
    const now = await findCached(this.store, name); // another program may have finished it meanwhile
    await noteModel(this.store, { name, kind, files: now?.files ?? [], pending: [...this.#pending], time: now?.time ?? Date.now() });
  }

  /** A file in the cache: as it is there with the right bytes, or downloaded. */
  async fetch(file: ModelFile, signal?: AbortSignal): Promise<CachedFile> {
    const { net, store } = this;
    const known = file.sha256 === null ? null : (reused(file, this.old)?.key ?? digestKey(file));
    const entry = known === null ? null : await store.get(known);
    if (entry) {
      this.#report(entry.facts.key, entry.facts.size, entry.facts.size);
      return { path: file.path, ...entry.facts };
    }
    let noted = Promise.resolve();
    const onBytes = (key: string, loaded: number, size: number): void => {
      noted = this.note([key]).catch(() => {}); // again where the file became another one; a store that cannot be written says so to the download as well
      this.#report(key, loaded, size);
    };
    const { fresh, ...facts } = await download(net, store, file, { signal, onBytes }).finally(() => noted);
    await this.note([facts.key]);
    if (fresh) this.fresh.add(facts.key);
    return { path: file.path, ...facts };
  }

  #report(key: string, loaded: number, size: number): void {
    this.#loaded.set(key, { loaded, size });
    const all = [...this.#loaded.values()];
    const total = Math.max(this.total, all.reduce((sum, file) => sum + file.size, 0));
    this.options.onProgress?.({ stage: 'download', loaded: all.reduce((sum, file) => sum + file.loaded, 0), total });
  }
}

/** Removes files whose bytes are not those that were once written. Returns how many there were. */
async function removeDamaged({ store, fresh }: Pull, files: readonly CachedFile[], signal?: AbortSignal): Promise<number> {
  let damaged = 0;
  for (const file of files) {
    if (fresh.has(file.key) || (await isUndamaged(store, file, signal))) continue;
    await store.remove(file.key);
    damaged++;
  }
  return damaged;
}

async function fetchAll(pull: Pull, signal?: AbortSignal): Promise<CachedFile[]> {
  const { model } = pull;
  const sizes = (files: readonly ModelFile[]): number => files.reduce((sum, { size }) => sum + (size ?? 0), 0);
  pull.total = sizes(model.files);
  await pull.note(model.files.map(digestKey));
  if (model.kind !== 'container') return inParallel(model.files, PARALLEL, signal, (file, stop) => pull.fetch(file, stop));
  const manifest = model.files.find(({ path }) => path === 'model.json')!;
  const own = await pull.fetch(manifest, signal);
  const entry = await pull.store.get(own.key);
  if (!entry) throw new TetradError('io_error', `Cannot read ${model.name}: model.json is gone from the cache`);
  const dir: ByteDirectory = { name: model.name, has: async () => true, open: () => entry.open() };
  const shards = await shardFiles(model, dir, signal);
  pull.total = own.size + sizes(shards);
  await pull.note(shards.map(digestKey));
  return [own, ...(await inParallel(shards, PARALLEL, signal, (file, stop) => pull.fetch(file, stop)))];
}

/** A program that brings another version at the same time may have tidied up files of this one. */
const MOST_ROUNDS = 3;

async function areThere(store: CacheStore, files: readonly CachedFile[]): Promise<boolean> {
  for (const { key } of files) if (!(await store.get(key))) return false;
  return true;
}

/**
 * Brings a model into the cache as it is now, or up to date: only what is missing, changed or damaged is downloaded, and a download that was cut goes on. The
 * last version stays until the new one is there. Rejects with `digest_mismatch`, `source_changed`, `storage_full`, `not_found`, `unauthorized` or
 * `network_error`.
 */
export async function pullModel(net: Network, store: CacheStore, name: RemoteName, options: PullOptions = {}): Promise<CachedModel> {
  const { signal, onStage } = options;
  for (let round = 1; ; round++) {
    onStage?.('pulling manifest');
    const model = await findModel(net, name, signal);
    const pull = new Pull(net, store, options, model, await findCached(store, remoteText(name)));
    onStage?.('pulling files');
    let files = await fetchAll(pull, signal);
    onStage?.('verifying sha256 digest');
    if ((await removeDamaged(pull, files, signal)) > 0) files = await fetchAll(pull, signal);
    onStage?.('writing manifest');
    const cached: CachedModel = { name: model.name, kind: model.kind, files, pending: [], time: Date.now() };
    await noteModel(store, cached);
    if (await areThere(store, files)) return cached;
    if (round >= MOST_ROUNDS) throw new TetradError('io_error', `Cannot keep ${model.name}: its files vanish from the cache, needed is that nobody else changes it`);
  }
}
