import type { Backend, OpenBackend } from '../backends/backend.ts';
import { TetradError } from '../core/errors.ts';
import type { CopyOptions, ModelImage } from '../models/image.ts';
import { fill } from './fill.ts';
import type { LayoutOptions, MemoryLayout, Plan } from './layout.ts';
import { cutDigests, type Region } from './regions.ts';
import { wholePlan, type PartPlan } from './split.ts';
import { Workers, type ThreadHost } from './workers.ts';

export interface OpenOptions extends CopyOptions {
  readonly host?: ThreadHost | null | undefined;
}

/** A plan's image in memory, and the threads that will run it. */
export interface Opened {
  readonly plan: Plan;
  readonly options: LayoutOptions;
  readonly layout: MemoryLayout;
  readonly backend: Backend;
  /** null: one thread. */
  readonly workers: Workers | null;
}

/** Opens memory and starts threads. */
function openPart({ plan, options, layout }: PartPlan, open: OpenBackend, host: ThreadHost | null | undefined): Opened {
  const { threads = 1 } = options;
  const backend = open(layout.total);
  if (threads > 1 && !(host && backend.handle)) throw new TetradError('invalid_argument', `Cannot run on ${threads} threads: the memory is not shared`);
  const workers = threads > 1 && host ? new Workers(host, { handle: backend.handle, plan, options: { ...options, threads } }) : null;
  return { plan, options, layout, backend, workers };
}

/** Where each part of an image is to lie. */
function regionsOf(parts: readonly PartPlan[], opened: readonly Opened[]): readonly Region[] {
  const regions = parts.flatMap(({ ranges, layout }, i) => {
    const { u8 } = opened[i]!.backend.memory;
    return ranges.map(({ from, to, at }) => ({ from, to, bytes: u8.subarray(layout.image + at, layout.image + at + to - from) }));
  });
  return regions.sort((a, b) => a.from - b.from);
}

/**
 * Opens a memory for each part, starts threads, streams the image in, and lets `bind` make of it what runs it; `cuts` are the digests of the image's cuts, if they
 * are `wanted`. Whatever fails ends the threads.
 */
export async function openParts<Made>(
  image: ModelImage, open: OpenBackend, parts: readonly PartPlan[], { host, signal, onProgress }: OpenOptions, wanted: boolean,
  bind: (opened: readonly Opened[], cuts: readonly string[] | null) => Made,
): Promise<Made> {
  const opened: Opened[] = [];
  try {
    for (const part of parts) opened.push(openPart(part, open, host));
    const regions = regionsOf(parts, opened);
    await fill(image, regions, { signal, onProgress });
    const cuts = image.cuts ?? (wanted ? await cutDigests(regions, signal) : null);
    const made = bind(opened, cuts);
    await Promise.all(opened.map(({ workers }) => workers?.ready()));
    return made;
  } catch (error) {
    await Promise.all(opened.map(({ workers }) => workers?.dispose()));
    throw error;
  }
}

/** The same in one memory. */
export const openPlan = <Made>(image: ModelImage, open: OpenBackend, options: LayoutOptions, own: OpenOptions, bind: (opened: Opened) => Made): Promise<Made> =>
  openParts(image, open, [wholePlan(image.manifest, options)], own, false, ([opened]) => bind(opened!));
