import type { ActivationSamples, SiteSamples } from '../calibrate/samples.ts';
import { TetradError } from '../core/errors.ts';
import type { LinearSpec } from '../models/sites.ts';
import { formatsOf, type Recipe } from './recipe.ts';
import { chunkRows, type RowReader } from './rows.ts';
import { blocksLast, movedBlocks } from './steps/blocks.ts';
import { byEnergy } from './steps/reorder.ts';

/** The samples of a linear's input; throws `invalid_argument` where they are missing or of another shape. */
export function samplesOf(samples: ActivationSamples | undefined, recipe: Recipe, spec: LinearSpec): SiteSamples {
  const site = samples?.get(spec.name);
  const refuse = (found: string): TetradError =>
    new TetradError('invalid_argument', `Cannot quantise with recipe ${JSON.stringify(recipe.name)}: ${found}, needed are calibration samples of every permuted linear`);
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

/** The order that a recipe gives a linear's input channels, i32 [cols]: the original channel at each place. */
export async function channelOrder(recipe: Recipe, spec: LinearSpec, site: SiteSamples, reader: RowReader, signal?: AbortSignal): Promise<Int32Array> {
  const order = recipe.transforms.length > 0 ? byEnergy(site) : Int32Array.from({ length: spec.cols }, (_, k) => k);
  const { act } = formatsOf(recipe, spec.site);
  const [split] = recipe.split;
  if (!split || act.bits === 32) return order;
  const moved = movedBlocks(spec.cols, act.block, split.share);
  return moved === 0 ? order : blocksLast(order, site, await columnSquares(reader, spec, signal), act, split.act, moved);
}
