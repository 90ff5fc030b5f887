import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { WorkStore } from '../../calibrate/work.ts';
import { TetradError } from '../../core/errors.ts';

/** A directory with unfinished work, made when something is saved. */
export interface WorkDirectory extends WorkStore {
  /** Removes it, when the work is done. */
  remove(): Promise<void>;
}

export function workDirectory(path: string): WorkDirectory {
  return {
    load: (name) => readFile(join(path, name)).catch(() => null),
    async save(name, bytes) {
      const partial = join(path, `${name}.partial-${randomBytes(4).toString('hex')}`);
      try {
        await mkdir(path, { recursive: true });
        await writeFile(partial, bytes);
        await rename(partial, join(path, name));
      } catch (cause) {
        await rm(partial, { force: true }).catch(() => {});
        const why = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
        throw new TetradError('io_error', `Cannot keep unfinished work in ${path}: the system says ${why}`, { cause });
      }
    },
    remove: () => rm(path, { recursive: true, force: true }),
  };
}
