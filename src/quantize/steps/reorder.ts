import type { SiteSamples } from '../../calibrate/samples.ts';

/** Channels by ascending energy (mean square); equal ones keep their order. i32 [cols]: channel at each place. */
export const byEnergy = (samples: SiteSamples): Int32Array =>
  Int32Array.from(samples.meanSquare.keys()).sort((a, b) => samples.meanSquare[a]! - samples.meanSquare[b]! || a - b);
