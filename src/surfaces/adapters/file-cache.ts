import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { TetradError } from '../../core/errors.ts';
import { parseFacts, type CacheStore, type Entry, type Facts, type PartialFile } from '../cache/cache.ts';
import { fileSource } from './files.ts';
import { claimPart, freeParts, ownName, partName } from './file-parts.ts';

/** `TETRAD_CACHE`, or else `tetrad` in the user's folder for caches. */
export function cacheFolder(env: Readonly<Record<string, string | undefined>>): string {
  return env['TETRAD_CACHE'] || join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'tetrad');
}

const codeOf = (cause: unknown): string => (cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown');
const FULL = ['ENOSPC', 'EDQUOT', 'EFBIG'];

function writeError(path: string, cause: unknown): TetradError {
  const code = codeOf(cause);
  if (FULL.includes(code)) return new TetradError('storage_full', `Cannot write ${path}: the disk is full (${code}), needed is space for the model`, { cause });
  return new TetradError('io_error', `Cannot write ${path}: the system says ${code}`, { cause });
}

/** Runs a step that writes, and names what fails in our words. */
const writing = async <T>(path: string, step: Promise<T>): Promise<T> => step.catch((cause: unknown) => {
  throw writeError(path, cause);
});

async function quietly(step: Promise<unknown>): Promise<void> {
  try {
    await step;
  } catch {
    // what cannot be tidied up now is found the next time
  }
}

async function fileDigest(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path, { signal, highWaterMark: 1 << 20 })) hash.update(chunk as Uint8Array);
  } catch (cause) {
    signal?.throwIfAborted();
    throw new TetradError('io_error', `Cannot read ${path}: the system says ${codeOf(cause)}`, { cause });
  }
  return hash.digest('hex');
}

/** Writes a small file under a name of its own; returns that, to be renamed. */
async function writeBeside(folder: string, name: string, text: string): Promise<string> {
  const fresh = join(folder, ownName(`${name}.new`));
  try {
    const handle = await open(fresh, 'wx');
    await handle.writeFile(text).then(() => handle.sync()).finally(() => handle.close());
    return fresh;
  } catch (cause) {
    await quietly(rm(fresh, { force: true }));
    throw writeError(join(folder, name), cause);
  }
}

/** A download's file under a name of its own, renamed when it is whole. */
class FilePart implements PartialFile {
  readonly #folder: string;
  readonly #name: string;
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #facts: Omit<Facts, 'sha256'>;
  length: number;

  constructor(folder: string, name: string, path: string, handle: FileHandle, facts: Omit<Facts, 'sha256'>, length: number) {
    [this.#folder, this.#name, this.#path, this.#handle, this.#facts, this.length] = [folder, name, path, handle, facts, length];
  }

  async append(chunk: Uint8Array): Promise<void> {
    for (let done = 0; done < chunk.length; ) {
      const { bytesWritten } = await writing(this.#path, this.#handle.write(chunk, done, chunk.length - done, this.length));
      done += bytesWritten;
      this.length += bytesWritten;
    }
  }

  digest(signal?: AbortSignal): Promise<string> {
    return fileDigest(this.#path, signal);
  }

  async commit(sha256: string, key = this.#facts.key): Promise<void> {
    const name = nameOf(key);
    await writing(this.#path, this.#handle.sync());
    const facts = await writeBeside(this.#folder, `${name}.json`, JSON.stringify({ ...this.#facts, key, sha256 } satisfies Facts)); // from here on no space is needed
    await writing(this.#path, this.#handle.close());
    await writing(this.#path, rename(this.#path, join(this.#folder, `${name}.data`)));
    await writing(this.#path, rename(facts, join(this.#folder, `${name}.json`)));
    for (const { file } of await freeParts(this.#folder, this.#name)) await quietly(rm(join(this.#folder, file), { force: true }));
  }

  async keep(): Promise<void> {
    if (this.length === 0) return this.discard();
    await quietly(this.#handle.sync());
    await quietly(this.#handle.close());
    await quietly(rename(this.#path, join(this.#folder, partName(this.#name))));
  }

  async discard(): Promise<void> {
    await quietly(this.#handle.close());
    await quietly(rm(this.#path, { force: true }));
  }
}

const nameOf = (key: string): string => createHash('sha256').update(key).digest('hex').slice(0, 40);

/**
 * A cache in a folder, made when something is written. Of a file there are `HASH.data` and then `HASH.json`, which makes it an entry; `HASH.part…` is one on its
 * way. What programs that were killed leave is gone on with.
 */
export function fileCache(folder: string): CacheStore {
  const notes = join(folder, 'models');
  const made = (path: string): Promise<unknown> => writing(path, mkdir(path, { recursive: true }));
  return {
    async get(key): Promise<Entry | null> {
      const name = nameOf(key);
      const data = join(folder, `${name}.data`);
      const [text, info] = await Promise.all([readFile(join(folder, `${name}.json`), 'utf8').catch(() => null), stat(data).catch(() => null)]);
      const facts = text === null ? null : parseFacts(text, key);
      return facts && info?.size === facts.size ? { facts, open: () => fileSource(data), digest: (signal) => fileDigest(data, signal) } : null;
    },
    async begin(key, size, trusted) {
      await made(folder);
      const name = nameOf(key);
      const path = join(folder, ownName(partName(name)));
      const kept = await claimPart(folder, name, path, trusted);
      const handle = await writing(path, open(path, kept ? 'r+' : 'wx'));
      const length = (await handle.stat()).size;
      const part = new FilePart(folder, name, path, handle, { key, size }, length);
      if (length <= size) return part;
      await part.discard();
      return this.begin(key, size, trusted);
    },
    async remove(key) {
      const name = nameOf(key);
      for (const ending of ['json', 'data']) await quietly(rm(join(folder, `${name}.${ending}`), { force: true })); // in this order: without facts it is no entry
      for (const part of await freeParts(folder, name)) await quietly(rm(join(folder, part.file), { force: true }));
    },
    notes: {
      async list() {
        const names = await readdir(notes).catch(() => []);
        const texts = await Promise.all(names.filter((name) => name.endsWith('.json')).map((name) => readFile(join(notes, name), 'utf8').catch(() => null)));
        return texts.filter((text) => text !== null);
      },
      async put(name, text) {
        await made(notes);
        const fresh = await writeBeside(notes, `${nameOf(name)}.json`, text);
        await writing(notes, rename(fresh, join(notes, `${nameOf(name)}.json`)));
      },
      remove: (name) => writing(notes, rm(join(notes, `${nameOf(name)}.json`), { force: true })),
    },
  };
}
