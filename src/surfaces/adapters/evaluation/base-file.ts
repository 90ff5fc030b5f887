import { open, rename, type FileHandle } from 'node:fs/promises';
import { TetradError } from '../../../core/errors.ts';
import type { Evaluator } from '../../../evaluate/evaluator.ts';
import type { StoreJob } from '../../../evaluate/jobs.ts';
import { CheckSum, storedLayout, type StoredInfo, type StoredLayout } from '../../../evaluate/stored/format.ts';
import { openStored } from '../../../evaluate/stored/read.ts';
import { RowEncoder } from '../../../evaluate/stored/rows.ts';
import { walkWindow } from '../../../evaluate/windows.ts';
import { fileSource } from '../files.ts';

const failed = (path: string) => (cause: unknown): never => {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
  throw new TetradError('io_error', `Cannot write ${path}: the system says ${code}`, { cause });
};

async function writeAt(handle: FileHandle, path: string, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) done += (await handle.write(bytes, done, bytes.length - done, position + done).catch(failed(path))).bytesWritten;
}

/**
 * A base file while it is written: `<path>.partial`, of full length from the start, whose table of check sums says which windows are there. A file of the
 * same header that an earlier run left is gone on with. Its name is `path` when all are there.
 */
export class BaseFile {
  readonly path: string;
  readonly partial: string;
  readonly layout: StoredLayout;
  /** By window; 0: not there yet. */
  readonly sums: Uint32Array;
  readonly #handle: FileHandle;

  private constructor(path: string, layout: StoredLayout, sums: Uint32Array, handle: FileHandle) {
    this.path = path;
    this.partial = partialOf(path);
    this.layout = layout;
    this.sums = sums;
    this.#handle = handle;
  }

  /** Rejects with `io_error` where the place cannot be written. */
  static async open(path: string, info: StoredInfo): Promise<BaseFile> {
    const layout = storedLayout(info);
    const partial = partialOf(path);
    const earlier = await earlierSums(partial, layout);
    const handle = await open(partial, earlier ? 'r+' : 'w').catch(failed(partial));
    try {
      if (!earlier) {
        await handle.truncate(layout.bytes).catch(failed(partial));
        await writeAt(handle, partial, layout.header, 0);
      }
    } catch (error) {
      await handle.close();
      throw error;
    }
    return new BaseFile(path, layout, earlier ?? new Uint32Array(info.windows), handle);
  }

  /** Marks a window as there. */
  async finish(window: number, sum: number): Promise<void> {
    this.sums[window] = sum;
    await writeAt(this.#handle, this.partial, new Uint8Array(Uint32Array.of(sum).buffer), this.layout.sums + 4 * window);
  }

  /** Gives the file its name; all windows must be there. */
  async commit(): Promise<void> {
    await this.#handle.sync().catch(failed(this.partial));
    await this.#handle.close();
    await rename(this.partial, this.path).catch(failed(this.path));
  }

  /** Leaves what is there for the next run. */
  async close(): Promise<void> {
    await this.#handle.close();
  }
}

const partialOf = (path: string): string => `${path}.partial`;

/** The check sums in an unfinished file with the same header; null where there is none. */
async function earlierSums(path: string, layout: StoredLayout): Promise<Uint32Array | null> {
  try {
    const stored = await openStored(await fileSource(path), { partial: true });
    await stored.close();
    return Buffer.compare(stored.layout.header, layout.header) === 0 ? stored.sums : null;
  } catch {
    return null;
  }
}

/** Runs one window and writes its rows to their place in the file, block by block. */
export async function storeWindow({ window, tokens, file }: StoreJob, model: Evaluator, signal: AbortSignal): Promise<{ sum: number; nll: number }> {
  const stored = await openStored(await fileSource(file), { partial: true });
  await stored.close();
  const { layout, info } = stored;
  const encoder = new RowEncoder(info);
  const buffer = new ArrayBuffer(model.block * layout.rowBytes);
  const sum = new CheckSum();
  let nll = 0;
  const handle = await open(file, 'r+').catch(failed(file));
  try {
    for await (const { from, block } of walkWindow([model], tokens, signal)) {
      new Uint8Array(buffer).fill(0);
      model.forward(block).forEach((logits, t) => (nll += encoder.encode(logits, tokens[from + t + 1]!, buffer, t * layout.rowBytes)));
      if (!Number.isFinite(nll)) {
        throw new TetradError('invalid_file', `Cannot store window ${window + 1}: log-likelihoods are ${nll}, needed are finite weights and activations`);
      }
      const bytes = block.length * layout.rowBytes;
      sum.add(new Uint32Array(buffer, 0, bytes / 4));
      await writeAt(handle, file, new Uint8Array(buffer, 0, bytes), layout.rows + window * layout.windowBytes + from * layout.rowBytes);
    }
  } finally {
    await handle.close();
  }
  return { sum: sum.value, nll: nll / (tokens.length - 1) };
}
