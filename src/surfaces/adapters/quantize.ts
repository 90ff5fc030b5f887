import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { WorkStore } from '../../calibrate/work.ts';
import { writeContainer } from '../../container/write.ts';
import { sha256 } from '../../core/digest.ts';
import type { Timings } from '../../core/stopwatch.ts';
import type { CopyOptions, Manifest } from '../../models/image.ts';
import { needsCalibration } from '../../quantize/recipe.ts';
import { resolveRecipe, type RecipeOptions } from '../quantize/options.ts';
import { directorySink } from './directory-sink.ts';
import { defaultText, identify, type LocalKind } from './local-models.ts';
import { platformOf } from './node.ts';
import { fetchModel, localPath, openSource, type SourceOptions } from './sources.ts';
import { workDirectory } from './work-directory.ts';

export { withOverrides } from '../../quantize/overrides.ts';
export { parseRecipe } from '../../quantize/parse.ts';
export type { Recipe } from '../../quantize/recipe.ts';
export { recipe, RECIPE_NAMES } from '../../quantize/registry.ts';
export type { Manifest, RecipeOptions, Timings };

async function fileDigest(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { signal })) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}

/** Digest of a directory: of its files' names and digests. */
async function directoryDigest(names: readonly string[], digestOf: (name: string) => string | Promise<string>): Promise<string> {
  const hash = createHash('sha256');
  for (const name of [...names].sort()) if (/\.(safetensors|json)$/.test(name)) hash.update(`${name} ${await digestOf(name)}\n`);
  return hash.digest('hex');
}

/** Digest of what a source holds, the same for a path and for a remote model, which is brought into the cache. */
async function sourceDigest(source: string, options: SourceOptions & CopyOptions): Promise<{ readonly kind: LocalKind; readonly sha256: string }> {
  const local = localPath(source);
  if (local === null) {
    const { kind, files } = await fetchModel(source, options);
    const digests = new Map(files.map(({ path, sha256: digest }) => [path, digest]));
    return { kind, sha256: kind === 'gguf' ? files[0]!.sha256 : await directoryDigest([...digests.keys()], (name) => digests.get(name)!) };
  }
  const { kind, path } = await identify(local);
  if (kind === 'gguf') return { kind, sha256: await fileDigest(path, options.signal) };
  return { kind, sha256: await directoryDigest(await readdir(path), (name) => fileDigest(join(path, name), options.signal)) };
}

/** What packing a checkpoint takes besides the recipe's options. */
export interface QuantizeOptions extends RecipeOptions, Pick<SourceOptions, 'offline'> {
  /** Threads that calibration runs on. Default: auto. */
  readonly threads?: number | 'auto' | undefined;
  /** Hears where the time went, in seconds by step. */
  readonly onTimings?: ((timings: Timings) => void) | undefined;
}

/**
 * Packs a checkpoint (`.gguf` file, safetensors directory, or one of these by its address) into a container directory by a recipe. Written beside its place and renamed at the end;
 * whatever fails, an abort included, leaves no container behind, but finished layers of a calibrated recipe in `DIRECTORY.work`, with which the same call
 * goes on. Rejects with `io_error` where the place cannot be written, before the work.
 */
export async function quantize(source: string, directory: string, options: QuantizeOptions = {}): Promise<Manifest> {
  const { calibration } = options;
  const recipe = resolveRecipe(options);
  const sink = await directorySink(directory);
  const directoryOfWork = workDirectory(`${resolve(directory)}.work`);
  try {
    const digest = await sourceDigest(source, options);
    const work = async (about: object): Promise<{ store: WorkStore; key: string }> => {
      const key = await sha256(new TextEncoder().encode(JSON.stringify({ source: digest.sha256, ...about })));
      return { store: directoryOfWork, key: key.slice(0, 32) };
    };
    const image = await openSource(source, { ...options, ...(await platformOf(options)), work });
    const provenance = {
      ...image.manifest.provenance,
      ...(digest.kind === 'gguf' && { sourceSha256: digest.sha256 }),
      ...(needsCalibration(recipe) && { calibrationSha256: await sha256(new TextEncoder().encode(calibration ?? (await defaultText()))) }),
    };
    const manifest = { ...image.manifest, provenance };
    await writeContainer({ manifest, pieces: () => image.pieces(), close: () => image.close() }, sink, options).finally(() => image.close());
    await directoryOfWork.remove();
    return manifest;
  } catch (error) {
    await sink.abort();
    throw error;
  }
}
