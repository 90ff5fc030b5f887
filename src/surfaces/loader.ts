import type { OpenBackend } from '../backends/backend.ts';
import { TetradError } from '../core/errors.ts';
import { kvFormat, type KvBits } from '../formats/number-format.ts';
import { Model } from '../generate/model.ts';
import { LOGIT_ROWS } from '../generate/speculation.ts';
import type { CopyOptions, Manifest, ModelImage } from '../models/image.ts';
import { createDecoder, type Decoder } from '../runtime/decoder.ts';
import { checkBudget, estimate, type Estimate, type EstimateOptions } from '../runtime/estimate.ts';
import { Tokenizer } from '../tokenizer/tokenizer.ts';

/** How a packed model is laid out in memory. */
export interface MemoryOptions extends CopyOptions {
  /** Tokens of KV cache, prompt and completion together. Default 2,048 or what the model was trained for, if that is less. */
  readonly context?: number | undefined;
  /** Bits of the KV cache, in the default format of that width. Default: what the model's recipe says. */
  readonly kv?: KvBits | undefined;
  /** Most bytes of linear memory; a model that needs more is refused with `over_budget` before anything is loaded. */
  readonly budget?: number | undefined;
  /** Threads. This version runs on one: `auto` means 1, and more is refused. */
  readonly threads?: number | 'auto' | undefined;
}

const DEFAULT_CONTEXT = 2048;

interface RowOptions {
  /** Most rows of logits that one pass gives. Default: as many as generation uses. */
  readonly logitRows?: number | undefined;
}

const resolve = ({ config, kv }: Manifest, options: MemoryOptions & RowOptions): EstimateOptions => ({
  context: options.context ?? Math.min(DEFAULT_CONTEXT, config.context),
  kv: options.kv === undefined ? kv : kvFormat(options.kv),
  logitRows: options.logitRows ?? LOGIT_ROWS,
});

/** What loading with these options will need. */
export const estimateOf = (manifest: Manifest, options: MemoryOptions & RowOptions = {}): Estimate => estimate(manifest, resolve(manifest, options));

export interface DecoderRequest extends MemoryOptions, RowOptions {
  readonly open: OpenBackend;
}

/** Streams an image into a fresh backend. */
export function decoderOf(image: ModelImage, request: DecoderRequest): Promise<Decoder> {
  const { open, budget, threads = 'auto', signal, onProgress } = request;
  if (threads !== 'auto' && threads !== 1) {
    throw new TetradError('invalid_argument', `Cannot run on ${String(threads)} threads: this version runs on 1`);
  }
  if (budget !== undefined) checkBudget(estimateOf(image.manifest, request), budget);
  return createDecoder(image, open, { ...resolve(image.manifest, request), signal, onProgress });
}

/** A model ready to generate. The image can be closed afterwards. */
export async function modelOf(image: ModelImage, request: DecoderRequest & { readonly now: () => number }): Promise<Model<Estimate>> {
  const tokens = await decoderOf(image, request);
  const { tokenizer, config } = image.manifest;
  return new Model({ tokens, tokenizer: new Tokenizer(tokenizer), config, estimate: estimateOf(image.manifest, request), now: request.now });
}
