import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { TetradError } from '../../core/errors.ts';
import type { DirectorySink } from '../../container/sink.ts';

const codeOf = (cause: unknown): string => (cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown');

const refuse = (path: string, why: string, cause?: unknown): TetradError => new TetradError('io_error', `Cannot write ${path}: ${why}`, { cause });

/** What may be replaced: nothing, an empty directory, a container. */
async function checkTarget(target: string): Promise<void> {
  let names: string[];
  try {
    names = await readdir(target);
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return;
    throw refuse(target, codeOf(cause) === 'ENOTDIR' ? 'it is a file, needed is a directory' : `the system says ${codeOf(cause)}`, cause);
  }
  const foreign = names.find((name) => name !== 'model.json' && !/^\d{2,}\.bin$/.test(name));
  if (foreign !== undefined) throw refuse(target, `it holds ${JSON.stringify(foreign)}, needed is a new or empty directory or a container`);
}

/**
 * A directory on disk, written beside its place under a temporary name and renamed at the end; a container that lies there is replaced.
 * Rejects with `io_error` where the target holds anything else or cannot be written.
 */
export async function directorySink(path: string): Promise<DirectorySink> {
  const target = resolve(path);
  await checkTarget(target);
  const mark = randomBytes(6).toString('hex');
  const [fresh, old] = [`${target}.partial-${mark}`, `${target}.old-${mark}`];
  const failed = (cause: unknown): never => {
    throw refuse(target, `the system says ${codeOf(cause)}`, cause);
  };
  await mkdir(fresh).catch(failed);
  const discard = (folder: string): Promise<void> => rm(folder, { recursive: true, force: true }).catch(() => {});
  return {
    async create(name) {
      const handle = await open(join(fresh, basename(name)), 'wx').catch(failed);
      return {
        async write(bytes) {
          for (let done = 0; done < bytes.length; ) done += (await handle.write(bytes, done).catch(failed)).bytesWritten;
        },
        async close() {
          await handle.sync().catch(failed).finally(() => handle.close());
        },
      };
    },
    async commit() {
      await checkTarget(target);
      const replaces = await rename(target, old).then(() => true, (cause: unknown) => (codeOf(cause) === 'ENOENT' ? false : failed(cause)));
      try {
        await rename(fresh, target);
      } catch (cause) {
        if (replaces) await rename(old, target).catch(failed);
        failed(cause);
      }
      await discard(old);
    },
    abort: () => discard(fresh),
  };
}
