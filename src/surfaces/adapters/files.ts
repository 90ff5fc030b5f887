import { open, stat } from 'node:fs/promises';
import { join, normalize, isAbsolute } from 'node:path';
import type { ByteDirectory, ByteSource } from '../../core/bytes.ts';
import { TetradError } from '../../core/errors.ts';

/** A file system error as the library's own: `not_found` or `io_error`. */
export function fileError(path: string, cause: unknown): TetradError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause); // Deno's refusals have no code
  if (code === 'ENOENT' || code === 'ENOTDIR') return new TetradError('not_found', `Cannot open ${path}: there is no such file`, { cause });
  return new TetradError('io_error', `Cannot read ${path}: the system says ${code}`, { cause });
}

/** A file on disk, opened until `close()`. */
export async function fileSource(path: string): Promise<ByteSource> {
  const failed = (cause: unknown): never => {
    throw fileError(path, cause);
  };
  const handle = await open(path, 'r').catch(failed);
  const info = await handle.stat().catch(failed);
  if (!info.isFile()) {
    await handle.close();
    throw new TetradError('io_error', `Cannot read ${path}: it is not a file`);
  }
  return {
    name: path,
    size: info.size,
    async read(offset, target, signal) {
      for (let done = 0; done < target.length; ) {
        signal?.throwIfAborted();
        const { bytesRead } = await handle.read(target, done, target.length - done, offset + done).catch(failed);
        const missing = target.length - done;
        if (bytesRead === 0) throw new TetradError('invalid_file', `Cannot read ${path}: it ends at byte ${offset + done}, needed ${missing} more`);
        done += bytesRead;
      }
    },
    close: () => handle.close().catch(failed),
  };
}

/** A directory on disk. Paths that leave it are not found. */
export function fileDirectory(path: string): ByteDirectory {
  const inside = (child: string): string | null => {
    const relative = normalize(child);
    return isAbsolute(relative) || relative.startsWith('..') ? null : join(path, relative);
  };
  return {
    name: path,
    async open(child) {
      const file = inside(child);
      if (file === null) throw new TetradError('not_found', `Cannot open ${child}: it is outside ${path}`);
      return fileSource(file);
    },
    async has(child) {
      const file = inside(child);
      return file !== null && (await stat(file).catch(() => null))?.isFile() === true;
    },
  };
}
