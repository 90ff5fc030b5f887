import { makeFits, nearestCode, type FitBlock, type Fits } from './fit.ts';
import { blockCount, type SegmentGrid } from './grids.ts';
import type { Panel } from './panel.ts';

/** Weighted squared error of values on the grid of a fit, without the one at `skip`. */
function gridError(values: Float32Array, fits: Fits, limit: number, weights: Float64Array, channel: number, skip: number): number {
  const scale = fits.scale[0]!;
  const offset = fits.offset[0]!;
  const inverse = scale === 0 ? 0 : 1 / scale;
  let sum = 0;
  for (let k = 0; k < values.length; k++) {
    if (k === skip) continue;
    const error = values[k]! - offset - scale * nearestCode((values[k]! - offset) * inverse, limit);
    sum += weights[channel + k]! * error * error;
  }
  return sum;
}

/** Raises the scores of a block's smallest and largest value, at `at` of the panel, to what the block gains when one of them leaves its grid. */
function scoreBlock(values: Float32Array, { format }: SegmentGrid, fit: FitBlock, weights: Float64Array, channel: number, scores: Float64Array, at: number): void {
  const fits = makeFits(1);
  const limit = (1 << format.bits) - 1;
  const count = values.length;
  const fitted = (skip: number): number => {
    fit(values, 0, count, format, fits, 0, channel);
    return gridError(values, fits, limit, weights, channel, skip);
  };
  const whole = fitted(-1);
  let low = 0;
  let high = 0;
  let sum = 0;
  for (let k = 0; k < count; k++) {
    sum += values[k]!;
    if (values[k]! < values[low]!) low = k;
    if (values[k]! > values[high]!) high = k;
  }
  for (const k of [low, high]) {
    const value = values[k]!;
    values[k] = count === 1 ? 0 : (sum - value) / (count - 1);
    scores[at + k] = Math.max(scores[at + k]!, whole - fitted(k));
    values[k] = value;
  }
}

/**
 * A value that stretches the grid of its block costs the others more than itself: scores of each block's extremes become what the block gains without them,
 * as Dettmers et al. (SpQR, 2023, section 3.3) judge every weight; the others change no grid.
 *
 * @param weights f64 [cols]: what a squared error of each channel costs.
 */
export function scoreExtremes(panel: Panel, fit: FitBlock, weights: Float64Array, scores: Float64Array): void {
  const { rows, cols, target, grids } = panel;
  for (const segment of grids.segments) {
    for (let block = 0; block < segment.blocks; block++) {
      const channel = segment.from + block * segment.block;
      const count = blockCount(segment, block);
      for (let row = 0; row < rows; row++) {
        const at = row * cols + channel;
        scoreBlock(target.slice(at, at + count), segment, fit, weights, channel, scores, at);
      }
    }
  }
}
