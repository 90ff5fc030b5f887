import type { ActivationSamples, SiteSamples } from '../../src/calibrate/samples.ts';
import type { ModelConfig } from '../../src/models/config.ts';
import { linearSpecs } from '../../src/models/sites.ts';
import { gaussian, uniform } from './tiny-model.ts';

/** Seeded inputs of a linear in which about one channel in eight is ten times larger. */
function siteSamples(cols: number, tokens: number, seed: number): SiteSamples {
  const next = gaussian(seed);
  const pick = uniform(seed + 1);
  const size = Float32Array.from({ length: cols }, () => (pick() < 0.125 ? 10 : 1));
  const rows = Float32Array.from({ length: tokens * cols }, (_, i) => size[i % cols]! * next());
  const meanSquare = new Float32Array(cols);
  rows.forEach((x, i) => { meanSquare[i % cols]! += (x * x) / tokens; });
  return { rows, tokens, meanSquare };
}

/** Samples of every linear of a model. */
export const tinySamples = (config: ModelConfig, tokens = 16): ActivationSamples =>
  new Map(linearSpecs(config).map((spec, i) => [spec.name, siteSamples(spec.cols, tokens, 100 + i)]));
