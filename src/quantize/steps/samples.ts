import type { SiteSamples } from '../../calibrate/samples.ts';

/** Sampled rows of the channels at places [from, to) of an order (null: as they are), f32 [tokens, to - from]. */
export function rowsInOrder({ rows, tokens, meanSquare }: SiteSamples, order: Int32Array | null, from: number, to: number): Float32Array {
  const [cols, length] = [meanSquare.length, to - from];
  return Float32Array.from({ length: tokens * length }, (_, i) => {
    const place = from + (i % length);
    return rows[Math.floor(i / length) * cols + (order ? order[place]! : place)]!;
  });
}

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
