import { sha256 as digestOf } from '../../core/digest.ts';
import { TetradError } from '../../core/errors.ts';
import { parseFacts, type CacheStore, type Entry, type Facts, type PartialFile } from './cache.ts';

/** Where a browser keeps files: written as a whole, by name. */
export interface Blobs {
  read(name: string): Promise<Blob | null>;
  /** Replaces the file at once. Rejects with the platform's own error, `QuotaExceededError` where there is no room. */
  write(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  remove(name: string): Promise<void>;
  names(): Promise<string[]>;
}

/** Runs `work` while no other tab runs any under the same name. `signal` ends the wait for it. */
export type Lock = (name: string, signal: AbortSignal | undefined, work: () => Promise<void>) => Promise<void>;

/** Files come into memory before they are stored: shards have 24 MiB, and what is much larger than that is no packed model. */
const MOST = 256 * 1024 * 1024;

const writeError = (name: string, cause: unknown): TetradError => {
  const { name: kind, message } = Object(cause) as Partial<Error>;
  const code = kind === 'QuotaExceededError' ? 'storage_full' : 'io_error';
  return new TetradError(code, `Cannot keep ${name}: ${kind === undefined ? String(cause) : `${kind}, ${message}`}, needed is space in the browser's storage`, { cause });
};

const nameOf = async (key: string): Promise<string> => (await digestOf(new TextEncoder().encode(key))).slice(0, 40);

async function blobDigest(blob: Blob): Promise<string> {
  return digestOf(new Uint8Array(await blob.arrayBuffer()));
}

/** A file on its way, in memory until it is whole or given up. */
class BlobPart implements PartialFile {
  readonly #blobs: Blobs;
  readonly #name: string;
  readonly #facts: Omit<Facts, 'sha256'>;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #release: () => void;
  length: number;

  constructor(blobs: Blobs, name: string, facts: Omit<Facts, 'sha256'>, bytes: Uint8Array<ArrayBuffer>, length: number, release: () => void) {
    [this.#blobs, this.#name, this.#facts, this.#bytes, this.length, this.#release] = [blobs, name, facts, bytes, length, release];
  }

  async append(chunk: Uint8Array): Promise<void> {
    this.#bytes.set(chunk, this.length);
    this.length += chunk.length;
  }

  digest(): Promise<string> {
    return digestOf(this.#bytes.subarray(0, this.length));
  }

  async commit(sha256: string, key = this.#facts.key): Promise<void> {
    const name = await nameOf(key);
    try {
      await this.#blobs.write(`${name}.data`, this.#bytes);
      await this.#blobs.write(`${name}.json`, new TextEncoder().encode(JSON.stringify({ ...this.#facts, key, sha256 } satisfies Facts)));
      await this.#blobs.remove(`${this.#name}.part`);
    } catch (cause) {
      for (const ending of ['json', 'data']) await this.#blobs.remove(`${name}.${ending}`).catch(() => {});
      throw writeError(key, cause);
    }
    this.#release();
  }

  async keep(): Promise<void> {
    await this.#blobs.write(`${this.#name}.part`, this.#bytes.slice(0, this.length)).catch(() => {});
    this.#release();
  }

  async discard(): Promise<void> {
    await this.#blobs.remove(`${this.#name}.part`).catch(() => {});
    this.#release();
  }
}

/** A cache over whole blobs. One tab at a time brings a file; another waits, and then finds it there. */
export function blobCache(blobs: Blobs, lock: Lock): CacheStore {
  const text = async (name: string): Promise<string | null> => (await blobs.read(name))?.text() ?? null;

  async function get(key: string): Promise<Entry | null> {
    const name = await nameOf(key);
    const [stated, blob] = await Promise.all([text(`${name}.json`), blobs.read(`${name}.data`)]);
    const facts = stated === null ? null : parseFacts(stated, key);
    if (!facts || blob?.size !== facts.size) return null;
    return {
      facts,
      digest: () => blobDigest(blob),
      open: async () => ({
        name: key,
        size: blob.size,
        async read(offset, target, signal) {
          signal?.throwIfAborted();
          if (offset + target.length > blob.size) throw new TetradError('invalid_file', `Cannot read ${key}: it ends at byte ${blob.size}`);
          target.set(new Uint8Array(await blob.slice(offset, offset + target.length).arrayBuffer()));
        },
      }),
    };
  }

  /** Holds the lock of a name until it is released. */
  const held = (name: string, signal: AbortSignal | undefined): Promise<() => void> => new Promise((resolve, reject) => {
    lock(name, signal, () => new Promise<void>((release) => resolve(release))).catch(reject);
  });

  return {
    get,
    async begin(key, size, _trusted, signal) {
      if (size > MOST) throw new TetradError('storage_full', `Cannot keep ${key}: it has ${size} bytes, needed are at most ${MOST}`);
      const name = await nameOf(key);
      const release = await held(name, signal);
      try {
        if (await get(key)) {
          release();
          return null;
        }
        const kept = await blobs.read(`${name}.part`);
        const bytes = new Uint8Array(size);
        const length = kept && kept.size <= size ? kept.size : 0;
        if (kept && length > 0) bytes.set(new Uint8Array(await kept.arrayBuffer()));
        return new BlobPart(blobs, name, { key, size }, bytes, length, release);
      } catch (error) {
        release();
        throw error;
      }
    },
    async remove(key) {
      const name = await nameOf(key);
      for (const ending of ['json', 'data', 'part']) await blobs.remove(`${name}.${ending}`);
    },
    notes: {
      async list() {
        const names = (await blobs.names()).filter((name) => name.endsWith('.note'));
        return (await Promise.all(names.map(text))).filter((note) => note !== null);
      },
      put: async (name, note) => blobs.write(`${await nameOf(name)}.note`, new TextEncoder().encode(note)).catch((cause: unknown) => {
        throw writeError(name, cause);
      }),
      remove: async (name) => blobs.remove(`${await nameOf(name)}.note`),
    },
  };
}
