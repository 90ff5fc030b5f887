/** Random access to bytes that lie elsewhere: a file, a Blob, a range-capable URL, a buffer. */
export interface ByteSource {
  /** Shown in errors: a path or URL. */
  readonly name: string;
  /** Total bytes. */
  readonly size: number;
  /** Fills `target` from `offset`. Rejects with `invalid_file` if the source ends before. */
  read(offset: number, target: Uint8Array, signal?: AbortSignal): Promise<void>;
  close?(): Promise<void>;
}

/** A directory-like place: container shards, safetensors shards beside their index. */
export interface ByteDirectory {
  readonly name: string;
  /** Rejects with `not_found` if there is no such file. `path` uses `/`. `bytes`: the size that it should have, for places that do not state any. */
  open(path: string, bytes?: number): Promise<ByteSource>;
  has(path: string): Promise<boolean>;
}

/** Progress of long work, for bars: `loaded` and `total` in the unit that `stage` implies (bytes, tokens). */
export interface Progress {
  readonly stage: string;
  readonly loaded: number;
  readonly total: number;
}
export type OnProgress = (progress: Progress) => void;
