import type { OpenBackend } from '../../src/backends/backend.ts';
import { openWasm } from '../../src/backends/wasm/open.ts';
import type { Manifest, ModelImage } from '../../src/models/image.ts';
import type { WeightStore } from '../../src/models/weights.ts';
import type { Recipe } from '../../src/quantize/recipe.ts';
import { recipe as namedRecipe } from '../../src/quantize/registry.ts';
import type { RecipeOptions, Workshop } from '../../src/surfaces/quantize/options.ts';
import { quantizeStore } from '../../src/surfaces/quantize/store.ts';
import { imageBytes } from './image.ts';
import { testModules } from './modules.ts';
import { tinyStore, type TinyOptions } from './tiny-model.ts';

const modules = await testModules();
const wasm: OpenBackend = (bytes) => openWasm(modules, 'simd128', bytes);

/** Calibration text: 450 bytes, which are as many tokens of a byte-level vocabulary without merges. */
const TEXT = Array.from({ length: 9 }, (_, i) => `${i}. Quick wizards judge my vow: foxes jump lazily.\n`).join('');

/** Three sequences of a page each. */
export const CALIBRATION = { calibration: TEXT, sequences: 3, length: 64 } as const;

export interface PackOptions extends Partial<Workshop>, Omit<RecipeOptions, 'recipe' | 'set' | 'kv'> {
}

/** A packed model whose bytes are all there: unlike a quantiser's image it can be read more than once, in any order. */
export interface Packed extends ModelImage {
  readonly bytes: Uint8Array;
}

export const imageOf = (manifest: Manifest, bytes: Uint8Array): Packed => ({
  manifest,
  bytes,
  pieces: () => [{ offset: 0, bytes: bytes.length, fill: async (target) => target.set(bytes) }],
  close: async () => {},
});

/** Packs a store by any recipe as `tetrad quantize` does, calibration included. Closes the store. */
export async function pack(store: WeightStore, recipe: Recipe | string, options: PackOptions = {}): Promise<Packed> {
  const workshop: Workshop = { open: wasm, threads: 1, host: null, now: () => performance.now(), defaultText: async () => TEXT, ...options };
  const image = await quantizeStore(store, typeof recipe === 'string' ? namedRecipe(recipe) : recipe, { ...CALIBRATION, ...options }, workshop);
  try {
    return imageOf(image.manifest, await imageBytes(image));
  } finally {
    await image.close();
  }
}

/** Sizes that every recipe takes: widths with Hadamard matrices, whole blocks of 32. */
export const EVEN_SIZES = { hidden: 96, headDim: 24, ffn: 192 } as const;

/** A tiny model for a recipe: on a grid if the recipe keeps the source's. */
export const storeFor = (name: string, { config, ...options }: TinyOptions = {}): WeightStore =>
  tinyStore({ ...(name === 'keep' && { grid: 'Q4_1' }), config: { ...EVEN_SIZES, ...config }, ...options });
