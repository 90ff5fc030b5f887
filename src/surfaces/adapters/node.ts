import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { OpenBackend } from '../../backends/backend.ts';
import { backendOpener, type BackendOptions, type WasmModules } from '../../backends/open.ts';
import type { Model } from '../../generate/model.ts';
import type { ModelImage } from '../../models/image.ts';
import type { Estimate } from '../../runtime/estimate.ts';
import type { RecipeOptions } from '../checkpoint.ts';
import { estimateOf, modelOf, type MemoryOptions } from '../loader.ts';
import { EMBEDDED, openLocal } from './local-models.ts';

export { EMBEDDED } from './local-models.ts';

const now = (): number => performance.now();
const resolve = createRequire(import.meta.url).resolve;
const compile = async (name: string): Promise<WebAssembly.Module> => WebAssembly.compile(new Uint8Array(await readFile(resolve(`tetrad/wasm/${name}.wasm`))));

let modules: Promise<WasmModules> | undefined;

/** The kernel modules, compiled once per process; without the relaxed one where Node has no relaxed SIMD. */
export const kernelModules = (): Promise<WasmModules> =>
  (modules ??= Promise.all([compile('simd128'), compile('relaxed').catch(() => null)]).then(([simd128, relaxed]) => ({ simd128, relaxed })));

/** Opens kernels: the fastest path that passes the self-test, unless one is named. */
export const opener = async (path?: BackendOptions['path']): Promise<OpenBackend> => backendOpener({ modules: await kernelModules(), path, now });

export type LoadOptions = RecipeOptions & MemoryOptions & { readonly path?: BackendOptions['path'] };

const imageOf = async (source: string | URL | ModelImage, open: OpenBackend, options: LoadOptions): Promise<ModelImage> =>
  typeof source === 'string' || source instanceof URL ? openLocal(source instanceof URL ? fileURLToPath(source) : source, { ...options, open }) : source;

/**
 * Loads a model: a container directory, a `.gguf` file, a directory of safetensors (packed by `recipe` on the way), or an image. Default: the embedded one.
 */
export async function load(source: string | URL | ModelImage = EMBEDDED, options: LoadOptions = {}): Promise<Model<Estimate>> {
  const open = await opener(options.path);
  const image = await imageOf(source, open, options);
  return modelOf(image, { ...options, open, now }).finally(() => image.close());
}

/** Bytes that `load` with the same arguments will need; reads headers only, but calibrates where the recipe does. */
export async function estimate(source: string | URL | ModelImage = EMBEDDED, options: LoadOptions = {}): Promise<Estimate> {
  const image = await imageOf(source, await opener(options.path), options);
  return Promise.resolve(estimateOf(image.manifest, options)).finally(() => image.close());
}
