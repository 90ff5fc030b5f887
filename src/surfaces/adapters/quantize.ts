import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { sha256 } from '../../core/digest.ts';
import { writeContainer } from '../../container/write.ts';
import type { Manifest, ModelImage } from '../../models/image.ts';
import { CALIBRATION_TEXT } from '../../calibrate/text.ts';
import { needsCalibration } from '../../quantize/recipe.ts';
import { resolveRecipe, type RecipeOptions } from '../checkpoint.ts';
import { directorySink } from './directory-sink.ts';
import { identify, openLocal } from './local-models.ts';
import { opener } from './node.ts';

export { withOverrides } from '../../quantize/overrides.ts';
export { parseRecipe } from '../../quantize/parse.ts';
export type { Recipe } from '../../quantize/recipe.ts';
export { recipe, RECIPE_NAMES } from '../../quantize/registry.ts';
export type { Manifest, RecipeOptions };

async function fileDigest(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { signal })) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}

/** Where the bytes came from: digests of a single-file source, and of the calibration text where the recipe used one. */
async function origin(source: string, options: RecipeOptions): Promise<Record<string, string>> {
  const { kind, path } = await identify(source);
  return {
    ...(kind === 'gguf' ? { sourceSha256: await fileDigest(path, options.signal) } : {}),
    ...(needsCalibration(resolveRecipe(options)) ? { calibrationSha256: await sha256(new TextEncoder().encode(options.calibration ?? CALIBRATION_TEXT)) } : {}),
  };
}

/** The packed image, its provenance completed. */
async function open(source: string, options: RecipeOptions): Promise<ModelImage> {
  const where = await origin(source, options);
  const image = await openLocal(source, { ...options, open: await opener() });
  const { manifest } = image;
  return { manifest: { ...manifest, provenance: { ...manifest.provenance, ...where } }, pieces: () => image.pieces(), close: () => image.close() };
}

/**
 * Packs a checkpoint (`.gguf` file or safetensors directory) into a container directory by a recipe. Written beside its place and renamed at the end;
 * whatever fails, an abort included, leaves nothing behind. Rejects with `io_error` where the place cannot be written, before the work.
 */
export async function quantize(source: string, directory: string, options: RecipeOptions = {}): Promise<Manifest> {
  const sink = await directorySink(directory);
  const image = await open(source, options).catch(async (error: unknown) => {
    await sink.abort();
    throw error;
  });
  await writeContainer(image, sink, options).finally(() => image.close());
  return image.manifest;
}
