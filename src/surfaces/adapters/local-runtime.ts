import { fileURLToPath } from 'node:url';
import type { OpenBackend } from '../../backends/backend.ts';
import { backendOpener } from '../../backends/open.ts';
import type { Model } from '../../generate/model.ts';
import type { ModelImage } from '../../models/image.ts';
import type { Estimate } from '../../runtime/estimate.ts';
import type { ThreadHost } from '../../runtime/workers.ts';
import { estimateOf, modelOf, threadsOf, type Platform } from '../loader.ts';
import type { PackedOptions } from '../packed.ts';
import type { RecipeOptions } from '../quantize/options.ts';
import { kernelModules } from './file-modules.ts';
import { EMBEDDED, openLocal } from './local-models.ts';

export type LoadOptions = RecipeOptions & PackedOptions;

type Source = string | URL | ModelImage;

/** What a runtime with files and threads gives. */
export interface LocalRuntime {
  /** Opens kernels: the fastest path that passes the self-test, unless one is named. */
  opener(path?: PackedOptions['path']): Promise<OpenBackend>;
  /** Kernels and threads for a model. The scalar kernels run on one. */
  platformOf(options: PackedOptions): Promise<Platform>;
  /**
   * Loads a model: a container directory, a `.gguf` file, a directory of safetensors (packed by `recipe` on the way), or an image. Default: the embedded one.
   */
  load(source?: Source, options?: LoadOptions): Promise<Model<Estimate>>;
  /** Bytes that `load` with the same arguments will need; reads headers only, but calibrates where the recipe does. */
  estimate(source?: Source, options?: LoadOptions): Promise<Estimate>;
}

const now = (): number => performance.now();

const imageOf = async (source: Source, platform: Platform, options: LoadOptions): Promise<ModelImage> =>
  typeof source === 'string' || source instanceof URL ? openLocal(source instanceof URL ? fileURLToPath(source) : source, { ...options, ...platform }) : source;

/** A runtime whose threads `threadHost` starts. */
export function localRuntime(threadHost: ThreadHost): LocalRuntime {
  const platformOf = async (options: PackedOptions): Promise<Platform> => {
    const host = options.path === 'reference' ? null : threadHost;
    const threads = threadsOf(options, host);
    return { open: backendOpener({ modules: await kernelModules(threads > 1), path: options.path, now }), threads, host };
  };
  return {
    opener: async (path) => backendOpener({ modules: await kernelModules(), path, now }),
    platformOf,
    async load(source = EMBEDDED, options = {}) {
      const platform = await platformOf(options);
      const image = await imageOf(source, platform, options);
      return modelOf(image, { ...options, ...platform, now }).finally(() => image.close());
    },
    async estimate(source = EMBEDDED, options = {}) {
      const platform = await platformOf(options);
      const image = await imageOf(source, platform, options);
      return Promise.resolve(estimateOf(image.manifest, options, platform.threads)).finally(() => image.close());
    },
  };
}
