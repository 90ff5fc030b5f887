import type { SiteSamples } from '../../calibrate/samples.ts';

/** Samples of inputs that are divided by a factor > 0 for each channel. */
export function divideSamples(samples: SiteSamples, factors: Float64Array): SiteSamples {
  const cols = factors.length;
  const divided = (values: Float32Array): Float32Array => values.map((value, i) => value / factors[i % cols]!);
  return {
    ...samples,
    rows: divided(samples.rows),
    meanSquare: divided(divided(samples.meanSquare)),
    absmax: divided(samples.absmax),
    minimum: divided(samples.minimum),
    maximum: divided(samples.maximum),
  };
}
