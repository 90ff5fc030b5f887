import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openContainer } from '../../container/read.ts';
import { TetradError } from '../../core/errors.ts';
import { openGguf, openSafetensors } from '../../importers/open.ts';
import type { ModelImage } from '../../models/image.ts';
import type { WeightStore } from '../../models/weights.ts';
import type { Platform } from '../loader.ts';
import { resolveRecipe, type RecipeOptions, type Workshop } from '../quantize/options.ts';
import { quantizeStore } from '../quantize/store.ts';
import { fileDirectory, fileError, fileSource } from './files.ts';
import { physicalCores } from './node-threads.ts';
import { roundPool } from './round-pool.ts';

/** The model that ships with the package: SmolLM2-135M-Instruct (Apache-2.0), 4-bit. */
export const EMBEDDED = fileURLToPath(new URL('../../../models/smollm2-135m-instruct', import.meta.url));

export type LocalKind = 'container' | 'gguf' | 'safetensors';

const NEEDED = 'a container directory, a .gguf file or a directory of .safetensors files';

/** What lies at a path, and the path that its reader wants. Rejects with `not_found` or `invalid_file`. */
export async function identify(path: string): Promise<{ readonly kind: LocalKind; readonly path: string }> {
  const info = await stat(path).catch((cause: unknown) => {
    const error = fileError(path, cause);
    if (error.code !== 'not_found') throw error;
    throw new TetradError('not_found', `Cannot open the model ${path}: there is no such file or directory, needed is ${NEEDED}`, { cause });
  });
  if (!info.isDirectory()) {
    if (path.endsWith('.safetensors')) return { kind: 'safetensors', path: dirname(path) };
    if (path.endsWith('model.json')) return { kind: 'container', path: dirname(path) };
    return { kind: 'gguf', path };
  }
  const names = await readdir(path);
  if (names.includes('model.json')) return { kind: 'container', path };
  if (names.some((name) => name.endsWith('.safetensors'))) return { kind: 'safetensors', path };
  const only = names.filter((name) => name.endsWith('.gguf'));
  if (only.length === 1) return { kind: 'gguf', path: `${path}/${only[0]}` };
  throw new TetradError('invalid_file', `Cannot open the model ${path}: the directory holds no model, needed is ${NEEDED}`);
}

/** Opens a checkpoint; rejects for a container. */
async function openStore({ kind, path }: Awaited<ReturnType<typeof identify>>, signal?: AbortSignal): Promise<WeightStore> {
  return kind === 'gguf' ? openGguf(await fileSource(path), signal) : openSafetensors(fileDirectory(path), signal);
}

/** A container's image, or a checkpoint's store. */
export type Headers = { readonly image: ModelImage } | { readonly store: WeightStore };

/** A model's headers. Whoever asks closes what it gets. */
export async function openHeaders(path: string, signal?: AbortSignal): Promise<Headers> {
  const found = await identify(path);
  return found.kind === 'container' ? { image: await openContainer(fileDirectory(found.path), signal) } : { store: await openStore(found, signal) };
}

/** What opening a checkpoint may use besides one thread's kernels. */
export interface OpenOptions extends RecipeOptions, Pick<Platform, 'open'>, Partial<Omit<Platform, 'open'>>, Pick<Workshop, 'work' | 'onTimings'> {}

/** Made from the model's own text; models/README.md says how. */
const CALIBRATION_TEXT = fileURLToPath(new URL('../../../models/calibration.txt', import.meta.url));

export const defaultText = (): Promise<string> => readFile(CALIBRATION_TEXT, 'utf8');

/** The packed model of what has been opened: a container as it is, a checkpoint packed by a recipe while its pieces are read. */
export async function packedImage(headers: Headers, options: OpenOptions): Promise<ModelImage> {
  if ('image' in headers) return headers.image;
  const { open, threads = 1, host = null, work, onTimings } = options;
  const pool = roundPool(physicalCores());
  const release = (): Promise<unknown> => Promise.all([pool.close(), headers.store.close()]);
  try {
    const workshop = { open, threads, host, now: () => performance.now(), defaultText, round: pool.round, work, onTimings };
    const image = await quantizeStore(headers.store, resolveRecipe(options), options, workshop);
    return { ...image, close: () => image.close().finally(() => pool.close()) };
  } catch (error) {
    await release();
    throw error;
  }
}

/** The packed model at a path. */
export const openLocal = async (path: string, options: OpenOptions): Promise<ModelImage> => packedImage(await openHeaders(path, options.signal), options);
