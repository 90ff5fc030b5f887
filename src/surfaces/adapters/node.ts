import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { OpenBackend } from '../../backends/backend.ts';
import { backendOpener, overSharedMemory, type BackendOptions, type WasmModules } from '../../backends/open.ts';
import type { Model } from '../../generate/model.ts';
import type { ModelImage } from '../../models/image.ts';
import type { Estimate } from '../../runtime/estimate.ts';
import { estimateOf, modelOf, threadsOf, type Platform, type MemoryOptions } from '../loader.ts';
import type { RecipeOptions } from '../quantize/options.ts';
import { EMBEDDED } from './local-models.ts';
import { threadHost } from './node-threads.ts';
import { openSource, type SourceOptions } from './sources.ts';

export { EMBEDDED } from './local-models.ts';

const now = (): number => performance.now();
const resolve = createRequire(import.meta.url).resolve;

async function compile(name: string, shared: boolean): Promise<WebAssembly.Module> {
  const bytes = new Uint8Array(await readFile(resolve(`tetrad/wasm/${name}.wasm`)));
  return WebAssembly.compile(shared ? overSharedMemory(bytes) : bytes);
}

const compiled = new Map<boolean, Promise<WasmModules>>();

async function compileModules(shared: boolean): Promise<WasmModules> {
  const [simd128, relaxed] = await Promise.all([compile('simd128', shared), compile('relaxed', shared).catch(() => null)]);
  return { simd128, relaxed, shared };
}

/** The kernel modules, over shared memory or not, compiled once per process; without the relaxed one where Node has no relaxed SIMD. */
export function kernelModules(shared = false): Promise<WasmModules> {
  const known = compiled.get(shared) ?? compileModules(shared);
  compiled.set(shared, known);
  return known;
}

type Path = BackendOptions['path'];

/** Opens kernels: the fastest path that passes the self-test, unless one is named. */
export const opener = async (path?: Path): Promise<OpenBackend> => backendOpener({ modules: await kernelModules(), path, now });

/** Kernels and threads for a model. The scalar kernels run on one. */
export async function platformOf(options: MemoryOptions & { readonly path?: Path }): Promise<Platform> {
  const host = options.path === 'reference' ? null : threadHost;
  const threads = threadsOf(options, host);
  return { open: backendOpener({ modules: await kernelModules(threads > 1), path: options.path, now }), threads, host };
}

export type LoadOptions = RecipeOptions & MemoryOptions & SourceOptions & { readonly path?: Path };

const imageOf = async (source: string | URL | ModelImage, platform: Platform, options: LoadOptions): Promise<ModelImage> =>
  typeof source === 'string' || source instanceof URL ? openSource(source, { ...options, ...platform }) : source;

/**
 * Loads a model: a container directory, a `.gguf` file, a directory of safetensors (packed by `recipe` on the way), one of these by its `https:` address or on the
 * hub as `hf:OWNER/REPO[@REVISION][:FILE]`, or an image. Default: the embedded one.
 */
export async function load(source: string | URL | ModelImage = EMBEDDED, options: LoadOptions = {}): Promise<Model<Estimate>> {
  const platform = await platformOf(options);
  const image = await imageOf(source, platform, options);
  return modelOf(image, { ...options, ...platform, now }).finally(() => image.close());
}

/** Bytes that `load` with the same arguments will need; reads headers only, but calibrates where the recipe does. */
export async function estimate(source: string | URL | ModelImage = EMBEDDED, options: LoadOptions = {}): Promise<Estimate> {
  const platform = await platformOf(options);
  const image = await imageOf(source, platform, options);
  return Promise.resolve(estimateOf(image.manifest, options, platform.threads)).finally(() => image.close());
}
