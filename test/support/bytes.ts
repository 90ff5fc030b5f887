import type { ByteDirectory, ByteSource } from '../../src/core/bytes.ts';
import { TetradError } from '../../src/core/errors.ts';

/** Bytes in memory as a source that is as strict as a file. `reads` counts, `largest` is the longest single read. */
export function bytesSource(bytes: Uint8Array, name = 'memory'): ByteSource & { reads: number; largest: number; closed: boolean } {
  return {
    name,
    size: bytes.length,
    reads: 0,
    largest: 0,
    closed: false,
    async read(offset, target, signal) {
      signal?.throwIfAborted();
      this.reads++;
      this.largest = Math.max(this.largest, target.length);
      if (offset + target.length > bytes.length) throw new TetradError('invalid_file', `Cannot read ${name}: it ends at byte ${bytes.length}`);
      target.set(bytes.subarray(offset, offset + target.length));
    },
    async close() {
      this.closed = true;
    },
  };
}

/** Files in memory as a directory. */
export function bytesDirectory(files: Readonly<Record<string, Uint8Array>>, name = 'memory'): ByteDirectory {
  return {
    name,
    async open(path) {
      const bytes = files[path];
      if (!bytes) throw new TetradError('not_found', `Cannot open ${name}/${path}: there is no such file`);
      return bytesSource(bytes, `${name}/${path}`);
    },
    has: async (path) => Object.hasOwn(files, path),
  };
}
