import type { ActivationSamples, SiteSamples } from '../calibrate/samples.ts';
import { TetradError } from '../core/errors.ts';
import { linearSpecs, type LinearSpec } from '../models/sites.ts';
import type { WeightStore } from '../models/weights.ts';
import { formatsOf, stepOf, type Recipe } from './recipe.ts';
import { chunkRows, RowReader } from './rows.ts';
import { appliesTo, blockChoice, isPermuted, outlierColumns } from './segments.ts';
import { blockGains, blocksLast, largest, movedBlocks, outlierBlocks } from './steps/blocks.ts';
import { orderBy } from './steps/reorder.ts';

/** What statistics decide before the image is laid out. */
export interface Choices {
  /** By linear: the channel at each place of its input; none for linears that are not permuted. */
  readonly orders: ReadonlyMap<string, Int32Array>;
  /** By linear: activation blocks of the other width. */
  readonly moved: ReadonlyMap<string, number>;
}

/** The samples of a linear's input; throws `invalid_argument` where they are missing or of another shape. */
export function samplesOf(samples: ActivationSamples | undefined, recipe: Recipe, spec: Pick<LinearSpec, 'name' | 'cols'>): SiteSamples {
  const site = samples?.get(spec.name);
  const refuse = (found: string): TetradError =>
    new TetradError('invalid_argument', `Cannot quantise with recipe ${JSON.stringify(recipe.name)}: ${found}, needed are calibration samples of every linear that its steps look at`);
  if (!site) throw refuse(samples ? `there are no samples of ${spec.name}` : 'no samples are given');
  if (site.tokens > 0 && site.rows.length === site.tokens * spec.cols && site.meanSquare.length === spec.cols) return site;
  throw refuse(`samples of ${spec.name} hold ${site.rows.length} values of ${site.tokens} tokens and ${site.meanSquare.length} mean squares for ${spec.cols} channels`);
}

/** Squared norms of a linear's columns, f64 [cols]. */
async function columnSquares(reader: RowReader, spec: LinearSpec, signal?: AbortSignal): Promise<Float64Array> {
  const squares = new Float64Array(spec.cols);
  const step = chunkRows(spec.cols);
  for (let first = 0; first < spec.rows; first += step) {
    const values = await reader.values(spec, first, Math.min(spec.rows, first + step), null, signal);
    for (let i = 0; i < values.length; i += spec.cols) {
      for (let k = 0; k < spec.cols; k++) squares[k]! += values[i + k]! * values[i + k]!;
    }
  }
  return squares;
}

/** The order before blocks are chosen: sorted where the recipe says so, the channels of largest magnitude last where they are outliers. */
function baseOrder(recipe: Recipe, spec: LinearSpec, site: SiteSamples): Int32Array {
  const reorder = stepOf(recipe, 'reorder');
  const order = reorder && appliesTo(reorder, spec) ? orderBy(reorder.by, site, formatsOf(recipe, spec).act) : Int32Array.from({ length: spec.cols }, (_, k) => k);
  const outliers = new Set(largest(site.absmax, outlierColumns(recipe, spec)));
  if (outliers.size === 0) return order;
  return Int32Array.from([...order.filter((channel) => !outliers.has(channel)), ...order.filter((channel) => outliers.has(channel))]);
}

/** The blocks that a recipe moves in one linear, and what each would gain: relative to the energy of the linear's output, or of the model's loss. */
interface Candidate {
  readonly spec: LinearSpec;
  readonly order: Int32Array;
  readonly length: number;
  readonly block: number;
  readonly gains: Float64Array;
  /** Multiply-accumulates of a block and token. */
  readonly cost: number;
  chosen: readonly number[];
}

/** With a share of the model's work as the budget: the largest gains for their work, anywhere. A short last block is always one of them. */
function chooseOverModel(candidates: readonly Candidate[], share: number): void {
  const all = candidates.flatMap((candidate) => Array.from(candidate.gains, (gain, block) => ({ candidate, block, worth: gain / candidate.cost })));
  let left = share * all.reduce((sum, { candidate }) => sum + candidate.cost, 0);
  const chosen = new Map(candidates.map((candidate) => [candidate, [] as number[]]));
  for (const i of largest(all.map(({ worth }) => worth), all.length)) {
    const { candidate, block, worth } = all[i]!;
    if (share === 0 || (left < candidate.cost / 2 && worth < Infinity)) continue;
    chosen.get(candidate)!.push(block);
    left -= candidate.cost;
  }
  for (const candidate of candidates) candidate.chosen = chosen.get(candidate)!;
}

/** Sum over channels of mean square times squared norm of the weights: the energy of outputs, were channels independent. */
const outputEnergy = (site: SiteSamples, squares: Float64Array): number => squares.reduce((sum, square, k) => sum + square * site.meanSquare[k]!, 0);

/** A linear's order before blocks are chosen; null where it is not permuted. */
export const orderBefore = (recipe: Recipe, spec: LinearSpec, samples: ActivationSamples): Int32Array | null =>
  isPermuted(recipe, spec) ? baseOrder(recipe, spec, samplesOf(samples, recipe, spec)) : null;

export interface ChooseOptions {
  /** What the model loses where all activation blocks of a linear have the recipe's own width, by linear. Without: errors relative to outputs count. */
  readonly losses?: ReadonlyMap<string, number> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Decides the orders of all permuted linears and which of their activation blocks get another width. */
export async function choose(
  store: WeightStore, recipe: Recipe, samples: ActivationSamples | undefined, { losses, signal }: ChooseOptions = {},
): Promise<Choices> {
  const reader = new RowReader(store);
  const orders = new Map<string, Int32Array>();
  const candidates: Candidate[] = [];
  for (const spec of linearSpecs(store.config)) {
    if (!isPermuted(recipe, spec)) continue;
    signal?.throwIfAborted();
    const site = samplesOf(samples, recipe, spec);
    const order = baseOrder(recipe, spec, site);
    orders.set(spec.name, order);
    const choice = blockChoice(recipe, spec);
    if (!choice) continue;
    const length = spec.cols - outlierColumns(recipe, spec);
    const { act, step } = choice;
    const squares = await columnSquares(reader, spec, signal);
    const found = blockGains(order, length, site, squares, act, step.act);
    const loss = losses?.get(spec.name);
    const finite = found.reduce((sum, gain) => sum + (gain < Infinity ? gain : 0), 0) || 1;
    const gains = found.map((gain) => (loss === undefined ? gain / (outputEnergy(site, squares) || 1) : (gain * loss) / finite));
    const chosen = step.threshold === undefined
      ? largest(gains, movedBlocks(length, act.block, step.share ?? 0))
      : outlierBlocks(order, length, site.absmax, act.block, step.threshold);
    candidates.push({ spec, order, length, block: act.block, gains, cost: act.block * spec.rows, chosen });
  }
  const step = stepOf(recipe, 'blocks');
  if (step?.over === 'model' && step.share !== undefined) chooseOverModel(candidates, step.share);
  for (const { spec, order, length, block, chosen } of candidates) orders.set(spec.name, blocksLast(order, length, block, chosen));
  return { orders, moved: new Map(candidates.map(({ spec, chosen }) => [spec.name, chosen.length])) };
}
