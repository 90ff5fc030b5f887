import type { SiteSamples } from '../../calibrate/samples.ts';
import type { Segment } from '../../models/image.ts';
import { roundInputs } from './round-inputs.ts';

/** Mean squared error of each input channel when its segment quantises it, in the order of the (permuted) channels: f64 [cols]. */
export function inputNoise(site: SiteSamples, segments: readonly Segment[], order: Int32Array | null): Float64Array {
  const cols = site.meanSquare.length;
  const noise = new Float64Array(cols);
  for (const { k: [from, to], act } of segments) {
    if (!act) continue;
    const length = to - from;
    const rows = Float32Array.from({ length: site.tokens * length }, (_, i) => {
      const place = from + (i % length);
      return site.rows[Math.floor(i / length) * cols + (order ? order[place]! : place)]!;
    });
    roundInputs(rows, length, act).forEach((value, i) => {
      const error = value - rows[i]!;
      noise[from + (i % length)]! += (error * error) / site.tokens;
    });
  }
  return noise;
}
