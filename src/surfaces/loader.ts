import type { OpenBackend } from '../backends/backend.ts';
import { TetradError } from '../core/errors.ts';
import { kvFormat, type KvBits } from '../formats/number-format.ts';
import { Model } from '../generate/model.ts';
import { LOGIT_ROWS } from '../generate/speculation.ts';
import type { CopyOptions, Manifest, ModelImage } from '../models/image.ts';
import { createDecoder, type Decoder } from '../runtime/decoder.ts';
import { checkBudget, estimate, type Estimate, type EstimateOptions } from '../runtime/estimate.ts';
import type { Memories } from '../runtime/split.ts';
import { MOST_THREADS } from '../runtime/team.ts';
import type { ThreadHost } from '../runtime/workers.ts';
import { Tokenizer } from '../tokenizer/tokenizer.ts';

/** How a packed model is laid out in memory. */
export interface MemoryOptions extends CopyOptions {
  /** Tokens of KV cache, prompt and completion together. Default 2,048 or what the model was trained for, if that is less. */
  readonly context?: number | undefined;
  /** Bits of the KV cache, in the default format of that width. Default: what the model's recipe says. */
  readonly kv?: KvBits | undefined;
  /** Most bytes of linear memory; a model that needs more is refused with `over_budget` before anything is loaded. */
  readonly budget?: number | undefined;
  /**
   * Threads, up to 64; `auto`: physical cores, at most 8. Where memory cannot be shared it is one, whatever is asked for. Results do not depend on it.
   * Default: auto.
   */
  readonly threads?: number | 'auto' | undefined;
  /**
   * Memories that the layers are shared out over, each of up to 4 GiB; `auto`: as few as can hold them. Results do not depend on it. Default: auto.
   */
  readonly memories?: Memories | undefined;
  /** Hears, in a sentence, why a thread count that was asked for is not taken, or may not be wise. */
  readonly onNote?: ((note: string) => void) | undefined;
}

const DEFAULT_CONTEXT = 2048;
const MOST_AUTO_THREADS = 8;

/** The thread count to use; `host` null: memory cannot be shared here. */
export function threadsOf({ threads = 'auto', onNote }: MemoryOptions, host: ThreadHost | null): number {
  if (threads === 'auto') return Math.min(host?.cores ?? 1, MOST_AUTO_THREADS);
  if (!(Number.isInteger(threads) && threads >= 1 && threads <= MOST_THREADS)) {
    throw new TetradError('invalid_argument', `Cannot run on ${String(threads)} threads: needed is auto or an integer from 1 to ${MOST_THREADS}`);
  }
  if (threads === 1) return 1;
  if (!host) onNote?.(`Running on 1 thread instead of ${threads}: memory cannot be shared here`);
  else if (threads > host.processors) onNote?.(`Running ${threads} threads on ${host.processors === 1 ? '1 core' : `${host.processors} cores`}`);
  return host ? threads : 1;
}

interface RowOptions {
  /** Most rows of logits that one pass gives. Default: as many as generation uses. */
  readonly logitRows?: number | undefined;
}

/** Memory options with the defaults of a model filled in, and with the threads that there will be. */
const resolve = ({ config, kv }: Manifest, options: MemoryOptions & RowOptions, threads: number): EstimateOptions => ({
  context: options.context ?? Math.min(DEFAULT_CONTEXT, config.context),
  kv: options.kv === undefined ? kv : kvFormat(options.kv),
  logitRows: options.logitRows ?? LOGIT_ROWS,
  threads,
  memories: options.memories,
});

/** What loading with these options, on so many threads, will need. */
export const estimateOf = (manifest: Manifest, options: MemoryOptions & RowOptions = {}, threads = 1): Estimate =>
  estimate(manifest, resolve(manifest, options, threads));

/** How a platform runs models. */
export interface Platform {
  readonly open: OpenBackend;
  /** How many threads there will be; more than 1 need `host`, and `open` to open shared memory. */
  readonly threads: number;
  /** null: memory cannot be shared here. */
  readonly host: ThreadHost | null;
  /** Gives other work a turn, where a message to itself does not. */
  readonly pause?: (() => Promise<void>) | undefined;
}

/** Without threads and a host: on one thread. */
export interface DecoderRequest extends Omit<MemoryOptions, 'threads'>, RowOptions, Pick<Platform, 'open'>, Partial<Omit<Platform, 'open'>> {
  /** Have what the model's digest needs hashed where the image does not bring it; default false. */
  readonly hashed?: boolean | undefined;
}

/** Streams an image into a fresh backend. */
export function decoderOf(image: ModelImage, request: DecoderRequest): Promise<Decoder> {
  const { open, budget, threads = 1, host = null, signal, onProgress, hashed } = request;
  if (budget !== undefined) checkBudget(estimateOf(image.manifest, request, threads), budget);
  return createDecoder(image, open, { ...resolve(image.manifest, request, threads), host, signal, onProgress, hashed });
}

/** A model ready to generate. The image can be closed afterwards. */
export async function modelOf(image: ModelImage, request: DecoderRequest & { readonly now: () => number }): Promise<Model<Estimate>> {
  const { tokenizer: data, config } = image.manifest;
  const tokenizer = new Tokenizer(data); // before weights fill the memory: what making it leaves behind can be collected by then
  const tokens = await decoderOf(image, { ...request, hashed: true });
  const { threads, backend: { path: kernels } } = tokens;
  const { now, pause } = request;
  return new Model({ tokens, tokenizer, config, kernels, threads, estimate: estimateOf(image.manifest, request, threads), now, pause, release: () => tokens.dispose() });
}

/** The same of an image that is of no further use. */
export const modelFrom = (image: ModelImage, request: DecoderRequest & { readonly now: () => number }): Promise<Model<Estimate>> =>
  modelOf(image, request).finally(() => image.close());

/** What loading an image that is of no further use will need. */
export async function estimateFrom(image: ModelImage, options: MemoryOptions, threads: number): Promise<Estimate> {
  return Promise.resolve(estimateOf(image.manifest, options, threads)).finally(() => image.close());
}
