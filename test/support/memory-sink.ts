import type { DirectorySink } from '../../src/container/sink.ts';

/** A directory in memory; `files` is null until `commit()` and after `abort()`. */
export function memorySink(): DirectorySink & { files: Record<string, Uint8Array> | null; aborted: boolean } {
  const parts = new Map<string, Uint8Array[]>();
  return {
    files: null,
    aborted: false,
    async create(name) {
      const chunks: Uint8Array[] = [];
      parts.set(name, chunks);
      return { write: async (bytes) => void chunks.push(bytes.slice()), close: async () => {} };
    },
    async commit() {
      this.files = Object.fromEntries([...parts].map(([name, chunks]) => [name, Uint8Array.from(chunks.flatMap((chunk) => [...chunk]))]));
    },
    async abort() {
      this.aborted = true;
    },
  };
}
