import type { Backend, OpenBackend } from '../backends/backend.ts';
import { TetradError } from '../core/errors.ts';
import type { CopyOptions, ModelImage } from '../models/image.ts';
import { fill } from './fill.ts';
import { layoutMemory, type LayoutOptions, type MemoryLayout } from './layout.ts';
import { Workers, type ThreadHost } from './workers.ts';

export interface OpenOptions extends CopyOptions {
  readonly host?: ThreadHost | null | undefined;
}

/** An image in memory, and the threads that will run it. */
export interface Opened {
  readonly layout: MemoryLayout;
  readonly backend: Backend;
  /** null: one thread. */
  readonly workers: Workers | null;
}

/** Lays out memory, starts threads, streams the image in, and lets `bind` make of it what runs it. Whatever fails ends the threads. */
export async function openPlan<Made>(
  image: ModelImage, open: OpenBackend, plan: LayoutOptions, { host, signal, onProgress }: OpenOptions, bind: (opened: Opened) => Made,
): Promise<Made> {
  const { manifest } = image;
  const threads = plan.threads ?? 1;
  const layout = layoutMemory(manifest, plan);
  const backend = open(layout.total);
  if (threads > 1 && !(host && backend.handle)) throw new TetradError('invalid_argument', `Cannot run on ${threads} threads: the memory is not shared`);
  const workers = threads > 1 && host ? new Workers(host, { handle: backend.handle, plan: manifest, options: { ...plan, threads } }) : null;
  try {
    await fill(image, backend.memory.u8.subarray(layout.image, layout.image + manifest.bytes), { signal, onProgress });
    const made = bind({ layout, backend, workers });
    await workers?.ready();
    return made;
  } catch (error) {
    await workers?.dispose();
    throw error;
  }
}
