import type { BackendOptions } from '../backends/open.ts';
import { openContainer } from '../container/read.ts';
import type { ByteDirectory } from '../core/bytes.ts';
import type { Model } from '../generate/model.ts';
import type { Estimate } from '../runtime/estimate.ts';
import { estimateFrom, modelFrom, type MemoryOptions, type Platform } from './loader.ts';

/** How a packed model is loaded. */
export interface PackedOptions extends MemoryOptions {
  /** Kernels to use. Default: the fastest that pass the self-test. */
  readonly path?: BackendOptions['path'];
}

/** Loads a container from wherever it lies. Reaches nothing that makes or measures models, so that bundles for the edge stay small. */
export async function loadPacked(
  dir: ByteDirectory, options: PackedOptions, platform: Platform & { readonly now: () => number },
): Promise<Model<Estimate>> {
  return modelFrom(await openContainer(dir, options.signal), { ...options, ...platform });
}

/** Bytes that `loadPacked` with the same arguments will need; reads `model.json` only. */
export async function estimatePacked(dir: ByteDirectory, options: PackedOptions, { threads }: Pick<Platform, 'threads'>): Promise<Estimate> {
  return estimateFrom(await openContainer(dir, options.signal), options, threads);
}
