import { backendOpener } from '../../backends/open.ts';
import { openContainer } from '../../container/read.ts';
import type { ByteDirectory, ByteSource } from '../../core/bytes.ts';
import type { Model } from '../../generate/model.ts';
import type { ModelImage } from '../../models/image.ts';
import type { Estimate } from '../../runtime/estimate.ts';
import { estimateFrom, modelFrom, threadsOf, type Platform } from '../loader.ts';
import type { PackedOptions } from '../packed.ts';
import type { RecipeOptions } from '../quantize/options.ts';
import { kernelModules } from './web-modules.ts';
import { openWebSource, type WebSourceOptions } from './web-sources.ts';
import { webThreads } from './web-threads.ts';

export * from '../public.ts';
export { listModels, removeModel } from '../cache/list.ts';
export { webCache } from './web-cache.ts';

export type LoadOptions = PackedOptions & RecipeOptions & WebSourceOptions;

type Source = string | URL | ByteDirectory | ByteSource;
type WebPlatform = Platform & { readonly now: () => number };

const now = (): number => performance.now();

/** Kernels and threads for a model: Web Workers where the page is cross-origin isolated, or else one thread, of which `onNote` hears. */
export async function platformOf(options: PackedOptions): Promise<WebPlatform> {
  const host = options.path === 'reference' ? null : webThreads();
  const threads = threadsOf(options, host);
  if (!globalThis.crossOriginIsolated && (options.threads ?? 'auto') === 'auto') options.onNote?.('Running on 1 thread: the page is not cross-origin isolated');
  return { open: backendOpener({ modules: await kernelModules(threads > 1), path: options.path, now }), threads, host, now };
}

/** Whatever packs checkpoints is loaded when there is one. */
async function imageOf(named: Source, platform: WebPlatform, options: LoadOptions): Promise<ModelImage> {
  const source = typeof named === 'string' || named instanceof URL ? await openWebSource(named, options) : named;
  return 'read' in source ? (await import('../checkpoint.ts')).openCheckpoint(source, options, platform) : openContainer(source, options.signal);
}

/** Loads a model by its address or `hf:OWNER/REPO`, or from files: a container, or a GGUF file that `recipe` packs on the way. */
export async function load(source: Source, options: LoadOptions = {}): Promise<Model<Estimate>> {
  const platform = await platformOf(options);
  return modelFrom(await imageOf(source, platform, options), { ...options, ...platform });
}

/** Bytes that `load` with the same arguments will need; reads headers only, but calibrates where the recipe does. */
export async function estimate(source: Source, options: LoadOptions = {}): Promise<Estimate> {
  const platform = await platformOf(options);
  return estimateFrom(await imageOf(source, platform, options), options, platform.threads);
}
