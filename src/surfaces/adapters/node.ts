import { localRuntime, type LocalRuntime } from './local-runtime.ts';
import { threadHost } from './node-threads.ts';

export * from '../public.ts';
export { kernelModules } from './file-modules.ts';
export { EMBEDDED } from './local-models.ts';
export type { LoadOptions } from './local-runtime.ts';

const node = localRuntime(threadHost);

/** Opens kernels: the fastest path that passes the self-test, unless one is named. */
export const opener: LocalRuntime['opener'] = node.opener;

/** Kernels and threads for a model. The scalar kernels run on one. */
export const platformOf: LocalRuntime['platformOf'] = node.platformOf;

/**
 * Loads a model: a container directory, a `.gguf` file, a directory of safetensors (packed by `recipe` on the way), one of these by its `https:` address or on the
 * hub as `hf:OWNER/REPO[@REVISION][:FILE]`, or an image. Default: the embedded one.
 */
export const load: LocalRuntime['load'] = node.load;

/** Bytes that `load` with the same arguments will need; reads headers only, but calibrates where the recipe does. */
export const estimate: LocalRuntime['estimate'] = node.estimate;
