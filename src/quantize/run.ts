import type { LinearMoments } from '../calibrate/layer-moments.ts';
import type { ActivationSamples } from '../calibrate/samples.ts';
import { TetradError } from '../core/errors.ts';
import type { CopyOptions, Manifest, ModelImage, Piece } from '../models/image.ts';
import { linearSpecs } from '../models/sites.ts';
import type { WeightStore } from '../models/weights.ts';
import { samplesOf, type Choices } from './choices.ts';
import { LinearFiller } from './linear-filler.ts';
import { planImage, type ImageGroup } from './plan.ts';
import { needsHessians, type Recipe } from './recipe.ts';
import { isPermuted } from './segments.ts';
import { roundRows, type Round } from './rounding/round.ts';

/** Calibration of layers while they are packed, in ascending order (`calibrate/layers.ts`). */
export interface Layers {
  /** The bytes of a layer that an earlier run has packed, or null. */
  saved(layer: number): Promise<Uint8Array | null>;
  /** Second moments of the inputs of a layer's linears, by name. */
  hessians(layer: number, signal?: AbortSignal): Promise<ReadonlyMap<string, LinearMoments>>;
  /** Hears a layer's part of the image: the next layer's inputs may come from it. */
  packed(layer: number, bytes: Uint8Array, signal?: AbortSignal): Promise<void>;
  dispose(): Promise<void>;
}

/** Progress has the stage `quantise` and counts bytes of the image; `signal` stops before the next chunk of rows. */
export interface QuantizeOptions extends CopyOptions {
  /** What calibration saw; needed by recipes with steps that look at activations. */
  readonly samples?: ActivationSamples | undefined;
  /** What `choose` decided from the samples; needed by recipes that permute channels. */
  readonly choices?: Choices | undefined;
  /** Begins to calibrate the layers of the image with this manifest; needed by recipes that round by Hessians. */
  readonly layers?: ((packed: Manifest) => Promise<Layers>) | undefined;
  /** Rounds rows; default: on this thread. */
  readonly round?: Round | undefined;
}

const NO_CHOICES: Choices = { orders: new Map(), moved: new Map() };

/**
 * Packs a checkpoint by a recipe. The layout of the image is known at once; weights are read and quantised layer by layer, in order where layers are
 * calibrated (memory: a layer's bytes and a chunk of 16 MiB of rows). Closing the image closes the store, whose transforms are already done
 * (`transforms.ts`).
 *
 * @throws `unsupported_type` where the recipe keeps a source grid that is not there, `invalid_argument` where what it needs of calibration is missing.
 */
export function quantize(store: WeightStore, recipe: Recipe, options: QuantizeOptions = {}): ModelImage {
  const { samples, choices = NO_CHOICES, layers, round = roundRows, onProgress } = options;
  const specs = linearSpecs(store.config);
  const calibrated = needsHessians(recipe);
  for (const spec of specs) {
    if (!isPermuted(recipe, spec)) continue;
    samplesOf(samples, recipe, spec);
    if (!choices.orders.has(spec.name)) throw new TetradError('invalid_argument', `Cannot quantise with recipe ${JSON.stringify(recipe.name)}: there is no order of ${spec.name}, needed are the choices made from its samples`);
  }
  if (calibrated && !layers) throw new TetradError('invalid_argument', `Cannot quantise with recipe ${JSON.stringify(recipe.name)}: its layers are not calibrated, needed are second moments of their inputs`);
  const { manifest, groups } = planImage(store, recipe, choices.moved);
  const filler = new LinearFiller({ store, recipe, choices, samples, round }, specs);

  let begun: Promise<Layers> | null = null;

  const fill = async ({ linears, layer, offset }: ImageGroup, bytes: Uint8Array, signal?: AbortSignal): Promise<void> => {
    const calibration = calibrated && layer !== null ? await (begun ??= layers!(manifest)) : null;
    const saved = await calibration?.saved(layer!);
    if (saved) {
      bytes.set(saved);
    } else {
      const hessians = await calibration?.hessians(layer!, signal);
      for (const planned of linears) await filler.fill(planned, { bytes, base: offset }, hessians?.get(planned.spec.name) ?? null, signal);
    }
    await calibration?.packed(layer!, bytes, signal);
  };

  const piece = (group: ImageGroup): Piece => ({
    offset: group.offset,
    bytes: group.bytes,
    fill: async (target, signal = options.signal) => {
      signal?.throwIfAborted();
      target.fill(0);
      await fill(group, target, signal);
      onProgress?.({ stage: 'quantise', loaded: group.offset + group.bytes, total: manifest.bytes });
    },
  });
  const close = async (): Promise<void> => {
    await (await begun?.catch(() => null))?.dispose();
    await store.close();
  };
  return { manifest, pieces: () => groups.map(piece), close };
}
