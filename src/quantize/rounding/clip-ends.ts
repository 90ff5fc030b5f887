import { fitLeastSquares, limitsOf, setFit, spanGrid, weightedError, type FitBlock } from './fit.ts';
import { errorWeights, type Hessian } from './hessian.ts';

/** How far each end moves in at most, as a part of the range, and by how much in one step. */
const MOST = 0.2;
const STEP = 0.02;
const STEPS = Math.round(MOST / STEP) + 1;

const limits = new Float64Array(2);
const grid = new Float64Array(2);

/**
 * Both ends of each block's range moved in on their own, the pair with the least squared error, weighted by what errors of a channel cost. Formats whose
 * grid has one free end (`mid`) are searched along it. Ranges that a source's rounding has given its values are found again, which a descent by least squares
 * misses: on a model whose weights lie near such a grid it halves what is lost.
 */
export function byEnds(hessian: Hessian | null, cols: number): FitBlock {
  const weights = errorWeights(hessian, cols);
  return (values, from, to, format, fits, entry, channel) => {
    limitsOf(values, from, to, limits);
    const [low, high] = [limits[0]!, limits[1]!];
    if (high - low === 0) return fitLeastSquares(values, from, to, format, fits, entry, channel);
    const limit = (1 << format.bits) - 1;
    let [least, scale, offset] = [Infinity, 0, 0];
    for (let i = 0; i < STEPS; i++) {
      for (let j = 0; j < (format.zero === 'mid' ? 1 : STEPS); j++) {
        const [a, b] = format.zero === 'mid' ? [low * (1 - STEP * i), high * (1 - STEP * i)] : [low + STEP * i * (high - low), high - STEP * j * (high - low)];
        spanGrid(a, b, 1, format, grid);
        const error = weightedError(values, from, to, grid[0]!, grid[1]!, limit, weights, channel, least);
        if (error < least) [least, scale, offset] = [error, grid[0]!, grid[1]!];
      }
    }
    setFit(values, from, to, format, scale, offset, fits, entry);
  };
}
