import { PANEL } from '../../formats/descriptor.ts';
import { descend } from './descend.ts';
import { scoreExtremes } from './extremes.ts';
import type { FitBlock } from './fit.ts';
import { makeGrids } from './grids.ts';
import { errorWeights, type Hessian } from './hessian.ts';
import { fitBlock, roundAt, type Panel } from './panel.ts';
import type { RoundJob } from './job.ts';
import { markLargest, sparseCount } from './sparse.ts';
import { storeBlock, storeSteps } from './stored.ts';
import { sweep } from './sweep.ts';

/** Room above a row's largest scale for blocks that are fitted after they took over the errors of others. */
const HEADROOM = 1.25;

/** One way through a panel: all grids fitted and stored, then all weights rounded. Returns what each weight's error costs, f64 [rows, cols]. */
function roundOnce(panel: Panel, { rounding, cols }: RoundJob, hessian: Hessian | null, fit: FitBlock): Float64Array {
  const { grids, rows } = panel;
  const isUpdated = typeof rounding === 'object' && rounding.groups === 'updated';
  for (const segment of grids.segments) {
    for (let block = 0; block < segment.blocks; block++) fitBlock(panel, segment, block, panel.target, null, fit);
    storeSteps(segment, rows, isUpdated ? HEADROOM : 1);
    if (isUpdated) continue;
    for (let block = 0; block < segment.blocks; block++) storeBlock(grids, segment, block);
  }
  const scores = new Float64Array(rows * cols);
  if (typeof rounding === 'object') {
    sweep(panel, hessian!.sweep!, isUpdated ? fit : null, scores);
    return scores;
  }
  const weights = errorWeights(hessian, cols);
  for (let row = 0; row < rows; row++) {
    for (let channel = 0; channel < cols; channel++) {
      const value = panel.target[row * cols + channel]!;
      const error = value - roundAt(panel, row, channel, value);
      scores[row * cols + channel] = error * error * weights[channel]!;
    }
  }
  return scores;
}

/** Rounds up to 16 rows from `first` on: once to learn which weights cost most where some are kept beside the grid, once more, then descent. */
export function roundPanel(job: RoundJob, first: number, hessian: Hessian | null, fit: FitBlock): Panel {
  const { cols, segments, rounding, sparseShare } = job;
  const rows = Math.min(PANEL, job.rows - first);
  const target = job.values.slice(first * cols, (first + rows) * cols);
  if (typeof rounding === 'object') {
    for (let at = 0; at < target.length; at++) if (hessian!.dead[at % cols]) target[at] = 0;
  }
  const begin = (kept: Uint8Array | null): Panel => ({
    rows, cols, target, grids: makeGrids(segments, rows, cols), kept,
    codes: new Uint8Array(rows * cols), values: new Float64Array(rows * cols), residuals: new Uint16Array(rows * cols),
  });
  let panel = begin(null);
  const scores = roundOnce(panel, job, hessian, fit);
  if (sparseShare > 0) {
    scoreExtremes(panel, fit, errorWeights(hessian, cols), scores);
    panel = begin(markLargest(scores, panel, sparseCount(sparseShare, rows, cols)));
    roundOnce(panel, job, hessian, fit);
  }
  if (typeof rounding === 'object' && rounding.sweeps > 0) descend(panel, hessian!, rounding.sweeps);
  return panel;
}
