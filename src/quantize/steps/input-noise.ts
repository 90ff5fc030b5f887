import type { SiteSamples } from '../../calibrate/samples.ts';
import type { Segment } from '../../models/image.ts';
import { roundInputs } from './round-inputs.ts';
import { rowsInOrder } from './samples.ts';

/** Mean squared error of each input channel when its segment quantises it, in the order of the (permuted) channels: f64 [cols]. */
export function inputNoise(site: SiteSamples, segments: readonly Segment[], order: Int32Array | null): Float64Array {
  const noise = new Float64Array(site.meanSquare.length);
  for (const { k: [from, to], act } of segments) {
    if (!act) continue;
    const length = to - from;
    const rows = rowsInOrder(site, order, from, to);
    roundInputs(rows, length, act).forEach((value, i) => {
      const error = value - rows[i]!;
      noise[from + (i % length)]! += (error * error) / site.tokens;
    });
  }
  return noise;
}
