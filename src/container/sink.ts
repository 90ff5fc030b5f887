/** A file being written, in order. */
export interface FileSink {
  write(bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** A directory that appears as a whole at `commit()`, or not at all. */
export interface DirectorySink {
  create(name: string): Promise<FileSink>;
  commit(): Promise<void>;
  /** Removes what was written; does not reject. */
  abort(): Promise<void>;
}
