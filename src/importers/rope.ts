import { pow } from '../core/math.ts';

const f = Math.fround;

/** Position interpolation: all frequencies divided by `factor` (Chen et al. 2023, arXiv:2306.15595). */
export const linearFactors = (headDim: number, factor: number): number[] | null =>
  factor === 1 ? null : new Array<number>(headDim / 2).fill(f(factor));

export interface Llama3Scaling {
  readonly factor: number;
  readonly lowFreqFactor: number;
  readonly highFreqFactor: number;
  /** Context before the extension. */
  readonly originalContext: number;
}

/**
 * Llama 3.1's divisors: 1 for wavelengths shorter than originalContext / high, `factor` for those longer than originalContext / low,
 * in between the reciprocal of a blend of both frequencies. Rounded to f32, as a GGUF file stores them.
 * Formula: huggingface/transformers, modeling_rope_utils.py, `_compute_llama3_parameters`.
 */
export function llama3Factors(headDim: number, theta: number, scaling: Llama3Scaling): number[] {
  const { factor, lowFreqFactor: low, highFreqFactor: high, originalContext } = scaling;
  return Array.from({ length: headDim / 2 }, (_, i) => {
    const turns = originalContext / (2 * Math.PI * pow(theta, (2 * i) / headDim)); // of the original context
    if (turns > high) return 1;
    if (turns < low) return f(factor);
    const blend = (turns - low) / (high - low);
    return f(1 / ((1 - blend) / factor + blend));
  });
}
