import type { ByteSource } from '../../core/bytes.ts';

/** What is known of a file in the cache. */
export interface Facts {
  /** The file's URL and, after `#`, its version: equal keys mean equal bytes, so entries never change. */
  readonly key: string;
  readonly size: number;
  readonly sha256: string;
}

/** Facts that a store has written; null where they are damaged or of another key. */
export function parseFacts(text: string, key: string): Facts | null {
  try {
    const { key: own, size, sha256 } = JSON.parse(text) as Partial<Facts>;
    return own === key && typeof size === 'number' && typeof sha256 === 'string' ? { key, size, sha256 } : null;
  } catch {
    return null;
  }
}

/** A file in the cache: all of it. */
export interface Entry {
  readonly facts: Facts;
  open(): Promise<ByteSource>;
  /** SHA-256 of the bytes as they are now. */
  digest(signal?: AbortSignal): Promise<string>;
}

/** A file on its way into the cache, for one writer. It ends with `commit`, `keep` or `discard`. */
export interface PartialFile {
  /** Bytes that are there; more than 0 at first if an earlier download was cut. */
  readonly length: number;
  /** Takes the next bytes; `chunk` may be used again afterwards. Rejects with `storage_full` or `io_error`. */
  append(chunk: Uint8Array): Promise<void>;
  digest(signal?: AbortSignal): Promise<string>;
  /** Makes it an entry, at once: with the key that it was begun with, or another one that tells more. */
  commit(sha256: string, key?: string): Promise<void>;
  /** Leaves what is there for the next `begin` with the same key. Does not reject. */
  keep(): Promise<void>;
  /** Removes it. Does not reject. */
  discard(): Promise<void>;
}

/**
 * Where files are kept. An entry is there whole or not at all; several programs may use one store at once. Stores know nothing of models: what those are made
 * of stands in notes, small texts that are replaced as a whole.
 */
export interface CacheStore {
  /** The entry, if it is there with its full size. */
  get(key: string): Promise<Entry | null>;
  /** Begins a file or goes on with it, or null: another writer has just finished it. `trusted`: a kept part may be used, as its digest will be checked. */
  begin(key: string, size: number, trusted: boolean, signal?: AbortSignal): Promise<PartialFile | null>;
  /** Removes an entry and what an interrupted download left of it, if they are there. */
  remove(key: string): Promise<void>;
  readonly notes: {
    list(): Promise<string[]>;
    /** Rejects with `storage_full` or `io_error`. */
    put(name: string, text: string): Promise<void>;
    remove(name: string): Promise<void>;
  };
}
