import { exp, log, pow } from '../../core/math.ts';

/** Largest magnitudes of a linear's input channels and of its weights' columns, f64 [channels]. */
export interface Peaks {
  readonly inputs: Float64Array;
  readonly weights: Float64Array;
}

/** Factors stay inside 1 / LIMIT .. LIMIT. */
const LIMIT = 65536;

const clamped = (factor: number): number => (factor > 0 ? Math.min(LIMIT, Math.max(1 / LIMIT, factor)) : 1);

/**
 * max|X|^activations / max|W|^weights, over the geometric mean of the channels, which leaves weights about as large as they are; 1 where a channel is
 * always zero.
 */
export function powerFactors({ inputs, weights }: Peaks, activations: number, weightPower: number): Float64Array {
  const live = (k: number): boolean => inputs[k]! > 0 && weights[k]! > 0;
  const factors = inputs.map((peak, k) => (live(k) ? pow(peak, activations) / pow(weights[k]!, weightPower) : 0));
  let [sum, count] = [0, 0];
  for (const factor of factors) {
    if (!(factor > 0)) continue;
    sum += log(factor);
    count++;
  }
  const mean = exp(sum / Math.max(1, count));
  return factors.map((factor) => clamped(factor / mean));
}

/** max(1, max|X| / bound), where `bound` is the (share * channels + 1.5, rounded down)-th largest of the max|X|. */
export function percentileFactors(inputs: Float64Array, share: number): Float64Array {
  const place = Math.min(inputs.length, Math.floor(share * inputs.length + 1.5));
  const bound = inputs.toSorted()[inputs.length - place]!;
  return inputs.map((peak) => (bound > 0 ? clamped(Math.max(1, peak / bound)) : 1));
}

/** What a search tries: powers i / steps of max|X|, without and with the rest of the power for max|W|; first of all, nothing. */
export function candidates(peaks: Peaks, steps: number): Float64Array[] {
  const powers = Array.from({ length: steps + 1 }, (_, i) => i / steps);
  return powers.flatMap((power) => (power === 1 ? [0] : [0, 1 - power]).map((rest) => powerFactors(peaks, power, rest)));
}

/** max|K|^power of each channel of the keys, the larger of the two that RoPE turns together; 1 where both are always zero. */
export function keyFactors(keys: ArrayLike<number>, headDim: number, power: number): Float64Array {
  const half = headDim / 2;
  return Float64Array.from(keys, (peak, c) => {
    const most = Math.max(peak, keys[c % headDim < half ? c + half : c - half]!);
    return most > 0 ? clamped(pow(most, power)) : 1;
  });
}
