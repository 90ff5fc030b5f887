import type { OpenBackend } from '../../backends/backend.ts';
import { bestPath, selfTest, type PathReport } from '../../backends/open.ts';
import type { TokenizerData } from '../../core/tokenizer-data.ts';
import type { Model } from '../../generate/model.ts';
import type { ModelConfig } from '../../models/config.ts';
import type { CopyOptions, Manifest, ModelImage } from '../../models/image.ts';
import type { Decoder } from '../../runtime/decoder.ts';
import type { Estimate } from '../../runtime/estimate.ts';
import { EMBEDDED, kernelModules, load, platformOf } from '../adapters/node.ts';
import type { RecipeOptions } from '../quantize/options.ts';
import { decoderOf, estimateOf, type MemoryOptions } from '../loader.ts';
import { fetchModel, localPath, openSource, openSourceHeaders, type SourceOptions } from '../adapters/sources.ts';
import { models } from '../adapters/model-cache.ts';
import { modelIdentity } from '../adapters/evaluation/identity.ts';
import type { EvaluationSetup } from '../adapters/evaluation/setup.ts';
import { openLanes, type Lanes } from '../adapters/evaluation/threads.ts';
import { quantize, type QuantizeOptions } from '../adapters/quantize.ts';
import { recipeFrom } from '../adapters/recipe-file.ts';

/** As `RecipeOptions`, but the recipe is a name or a JSON file. */
export type OpenOptions = Omit<RecipeOptions, 'recipe'> & Pick<SourceOptions, 'offline'> & { readonly recipe?: string | undefined };

export interface DecoderOptions extends MemoryOptions {
  /** Most rows of logits that one pass gives; default: as generation needs. */
  readonly logitRows?: number | undefined;
  readonly wrap?: ((open: OpenBackend) => OpenBackend) | undefined;
}

export interface LaneOptions extends Pick<MemoryOptions, 'threads' | 'onNote'> {
  /** Jobs that there are: more lanes are of no use. */
  readonly jobs: number;
  /** Most lanes, each with its own copy of the models. Default: one for each thread. */
  readonly workers?: number | undefined;
}

/** What a model's headers say, before any weight is read. */
export interface Description {
  readonly config: ModelConfig;
  readonly tokenizer: TokenizerData;
  readonly provenance: Readonly<Record<string, unknown>>;
  /** Of a packed model, with the memory that its default context takes; null for a checkpoint. */
  readonly container: { readonly manifest: Manifest; readonly estimate: Estimate } | null;
}

/** What commands need of the library: the one seam between the command line and everything that computes. A null source is the embedded model. */
export interface Engine {
  describe(source: string | null, options: Pick<SourceOptions, 'offline'> & Pick<CopyOptions, 'signal'>): Promise<Description>;
  /** Brings a model from the network into the cache, if it is not there, so that others find it. */
  prepare(source: string | null, options: Pick<SourceOptions, 'offline'> & CopyOptions): Promise<void>;
  /** A container as it is, or a checkpoint packed piece by piece as the pieces are read. */
  openImage(source: string | null, options: OpenOptions): Promise<ModelImage>;
  /** `wrap`: what to make of the way that the backend is opened, to observe its kernels. */
  decoder(image: ModelImage, options: DecoderOptions): Promise<Decoder>;
  load(source: string | null, options: OpenOptions & MemoryOptions): Promise<Model>;
  /** Packs a checkpoint into a container; whatever fails leaves no container behind, at most work to go on with. */
  pack(source: string, directory: string, options: OpenOptions & Pick<QuantizeOptions, 'threads' | 'onTimings'>): Promise<Manifest>;
  /** Something that differs where the models behind a source differ, for figures that are kept. */
  identity(source: string | null): Promise<string>;
  /** Opens lanes for evaluation jobs. */
  lanes(setup: Omit<EvaluationSetup, 'threads'>, options: LaneOptions): Promise<Lanes>;
  /** Models from the network, as the cache has them. */
  readonly models: typeof models;
  /** What each kernel path does on this machine, the one that is taken, and the threads that `auto` gives. */
  kernels(): Promise<{ readonly paths: readonly PathReport[]; readonly chosen: string; readonly threads: number }>;
}

async function openImage(source: string | null, options: OpenOptions): Promise<ModelImage> {
  return openSource(source ?? EMBEDDED, { ...options, recipe: await recipeFrom(options.recipe), ...(await platformOf({})) });
}

/** The library itself. */
export const engine: Engine = {
  openImage,
  async decoder(image, { wrap = (open) => open, ...options }) {
    const platform = await platformOf(options);
    return decoderOf(image, { ...options, ...platform, open: wrap(platform.open) });
  },
  load: async (source, options) => load(source ?? EMBEDDED, { ...options, recipe: await recipeFrom(options.recipe) }),
  async prepare(source, options) {
    if (source !== null && localPath(source) === null) await fetchModel(source, options);
  },
  async describe(source, options) {
    const headers = await openSourceHeaders(source ?? EMBEDDED, options);
    if ('image' in headers) {
      const { manifest } = headers.image;
      await headers.image.close();
      const { threads } = await platformOf({});
      const container = { manifest, estimate: estimateOf(manifest, {}, threads) };
      return { config: manifest.config, tokenizer: manifest.tokenizer, provenance: manifest.provenance, container };
    }
    const { config, tokenizer, provenance } = headers.store;
    await headers.store.close();
    return { config, tokenizer, provenance: { ...provenance }, container: null };
  },
  identity: modelIdentity,
  models,
  async lanes(setup, { jobs, workers, ...options }) {
    const { threads } = await platformOf(options);
    const count = Math.max(1, Math.min(workers ?? threads, threads, jobs));
    return openLanes({ ...setup, threads: Math.floor(threads / count) }, count);
  },
  pack: async (source, directory, options) => quantize(source, directory, { ...options, recipe: await recipeFrom(options.recipe) }),
  async kernels() {
    const paths = selfTest(await kernelModules(), () => performance.now());
    return { paths, chosen: bestPath(paths), threads: (await platformOf({})).threads };
  },
};
