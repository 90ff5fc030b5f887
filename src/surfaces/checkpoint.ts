import type { ByteSource } from '../core/bytes.ts';
import { TetradError } from '../core/errors.ts';
import { openGguf } from '../importers/open.ts';
import type { ModelImage } from '../models/image.ts';
import type { Platform } from './loader.ts';
import { resolveRecipe, type RecipeOptions } from './quantize/options.ts';
import { quantizeStore } from './quantize/store.ts';

const defaultText = async (): Promise<string> => {
  throw new TetradError('invalid_argument', 'Cannot calibrate: there is no text here by default, needed is one in `calibration`');
};

/** A GGUF file from wherever it lies, packed by a recipe while its pieces are read, on this thread. */
export async function openCheckpoint(source: ByteSource, options: RecipeOptions, platform: Platform & { readonly now: () => number }): Promise<ModelImage> {
  const store = await openGguf(source, options.signal);
  try {
    return await quantizeStore(store, resolveRecipe(options), options, { ...platform, defaultText });
  } catch (error) {
    await store.close();
    throw error;
  }
}
