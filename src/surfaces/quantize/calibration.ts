import { collectSamples } from '../../calibrate/collect.ts';
import type { ActivationSamples } from '../../calibrate/samples.ts';
import { checkText, sequencesOf } from '../../calibrate/sequences.ts';
import { inputLosses, type Alter } from '../../evaluate/input-losses.ts';
import { PAGE } from '../../formats/descriptor.ts';
import { KV32 } from '../../formats/number-format.ts';
import type { CopyOptions, ModelImage } from '../../models/image.ts';
import { linearSpecs } from '../../models/sites.ts';
import type { WeightStore } from '../../models/weights.ts';
import { orderBefore } from '../../quantize/choices.ts';
import type { Recipe } from '../../quantize/recipe.ts';
import { blockChoice } from '../../quantize/segments.ts';
import { roundInputs } from '../../quantize/steps/round-inputs.ts';
import { createDecoder } from '../../runtime/decoder.ts';
import { Tokenizer } from '../../tokenizer/tokenizer.ts';
import type { RecipeOptions, Workshop } from './options.ts';

/** Token ids. */
export type Sequence = readonly number[];

const SEQUENCES = 16;
const LENGTH = 1024;
/** Most tokens, in whole sequences, that plain statistics are taken from. */
const STATISTICS_TOKENS = 8192;
/** Tokens on which losses are measured, linear by linear. */
const LOSS_TOKENS = 128;

/** What a recipe is calibrated with. */
export async function calibrationSequences(store: WeightStore, recipe: Recipe, options: RecipeOptions, { defaultText }: Workshop): Promise<readonly Sequence[]> {
  const text = options.calibration ?? (await defaultText());
  checkText(text, options.calibration === undefined ? 'the default text' : 'the calibration text');
  const { sequences = recipe.calibration?.sequences ?? SEQUENCES, length = recipe.calibration?.length ?? LENGTH, seed = 0 } = options;
  const ids = new Tokenizer(store.tokenizer).encode(text);
  return sequencesOf(ids, { sequences, length: Math.min(length, store.config.context), seed }).sequences;
}

/** Statistics of all linears' inputs on an f32 model. */
export async function samplesFrom(source: ModelImage, sequences: readonly Sequence[], { open, threads, host }: Workshop, { signal, onProgress }: CopyOptions): Promise<ActivationSamples> {
  const context = Math.max(...sequences.map((ids) => ids.length));
  await using decoder = await createDecoder(source, open, { context, kv: KV32, threads, host, signal, onProgress });
  return await collectSamples(decoder, sequences.slice(0, Math.ceil(STATISTICS_TOKENS / context)), { signal, onProgress });
}

/** Does something to rows [tokens, order.length] whose columns are put in an order before and back afterwards. */
function inOrder(values: Float32Array, order: Int32Array, change: (permuted: Float32Array) => Float32Array): Float32Array {
  const cols = order.length;
  const changed = change(values.map((_, i) => values[i - (i % cols) + order[i % cols]!]!));
  const back = new Float32Array(values.length);
  changed.forEach((value, i) => (back[i - (i % cols) + order[i % cols]!] = value));
  return back;
}

/** What the f32 model loses where all activations of one linear are as the recipe quantises them, by linear whose blocks may get another width. */
export async function lossesFrom(
  source: ModelImage, recipe: Recipe, samples: ActivationSamples, [first]: readonly Sequence[], { open }: Workshop, { signal, onProgress }: CopyOptions,
): Promise<ReadonlyMap<string, number>> {
  const ids = first!.slice(0, LOSS_TOKENS);
  const alters = linearSpecs(source.manifest.config).flatMap((spec): [string, Alter][] => {
    const choice = blockChoice(recipe, spec);
    const order = orderBefore(recipe, spec, samples);
    return choice && order ? [[spec.name, (values) => inOrder(values, order, (permuted) => roundInputs(permuted, spec.cols, choice.act))]] : [];
  });
  await using decoder = await createDecoder(source, open, { context: ids.length, kv: KV32, logitRows: PAGE, signal, onProgress });
  return await inputLosses(decoder, ids, new Map(alters), { signal, onProgress });
}
