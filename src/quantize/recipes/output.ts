import type { Recipe } from '../recipe.ts';

/** The output layer, which is also the embedding, at 8 bits: papers leave it alone, and here all methods have the same. */
export const OUTPUT: Recipe['sites'][number] = {
  match: { site: 'output' },
  weight: { bits: 8, block: 32, scale: 'u8', zero: 'min' },
  act: { bits: 8, block: 32, clip: 1 },
  rounding: 'nearest',
  clip: { by: 'leastSquares' },
};
