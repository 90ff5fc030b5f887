import type { OpenBackend } from '../../backends/backend.ts';
import { backendOpener } from '../../backends/open.ts';
import type { Model } from '../../generate/model.ts';
import type { ModelImage } from '../../models/image.ts';
import type { Estimate } from '../../runtime/estimate.ts';
import type { ThreadHost } from '../../runtime/workers.ts';
import { estimateFrom, modelFrom, threadsOf, type Platform } from '../loader.ts';
import type { PackedOptions } from '../packed.ts';
import type { RecipeOptions } from '../quantize/options.ts';
import { kernelModules } from './file-modules.ts';
import { EMBEDDED } from './local-models.ts';
import { openSource, type SourceOptions } from './sources.ts';

export type LoadOptions = RecipeOptions & PackedOptions & SourceOptions;

type Source = string | URL | ModelImage;

/** What a runtime with files and threads gives; `adapters/node.ts` says more. */
export interface LocalRuntime {
  readonly opener: (path?: PackedOptions['path']) => Promise<OpenBackend>;
  readonly platformOf: (options: PackedOptions) => Promise<Platform>;
  readonly load: (source?: Source, options?: LoadOptions) => Promise<Model<Estimate>>;
  readonly estimate: (source?: Source, options?: LoadOptions) => Promise<Estimate>;
}

const now = (): number => performance.now();

const imageOf = async (source: Source, platform: Platform, options: LoadOptions): Promise<ModelImage> =>
  typeof source === 'string' || source instanceof URL ? openSource(source, { ...options, ...platform }) : source;

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
      return modelFrom(await imageOf(source, platform, options), { ...options, ...platform, now });
    },
    async estimate(source = EMBEDDED, options = {}) {
      const platform = await platformOf(options);
      return estimateFrom(await imageOf(source, platform, options), options, platform.threads);
    },
  };
}
