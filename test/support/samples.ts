import type { ActivationSamples, SiteSamples } from '../../src/calibrate/samples.ts';
import type { ModelConfig } from '../../src/models/config.ts';
import { linearSpecs } from '../../src/models/sites.ts';
import { gaussian, uniform } from './tiny-model.ts';

/** What calibration would say of inputs rows [tokens, cols], all of them kept. */
export function samplesOfRows(rows: Float32Array, cols: number): SiteSamples {
  const tokens = rows.length / cols;
  const over = (merge: (channel: Float32Array) => number): Float32Array =>
    Float32Array.from({ length: cols }, (_, c) => merge(rows.filter((__, i) => i % cols === c)));
  return {
    rows,
    tokens,
    meanSquare: over((channel) => channel.reduce((sum, x) => sum + x * x, 0) / tokens),
    absmax: over((channel) => Math.max(...channel.map(Math.abs))),
    minimum: over((channel) => Math.min(...channel)),
    maximum: over((channel) => Math.max(...channel)),
  };
}

/** Seeded inputs of a linear in which about one channel in eight is ten times larger. */
function siteSamples(cols: number, tokens: number, seed: number): SiteSamples {
  const next = gaussian(seed);
  const pick = uniform(seed + 1);
  const size = Float32Array.from({ length: cols }, () => (pick() < 0.125 ? 10 : 1));
  return samplesOfRows(Float32Array.from({ length: tokens * cols }, (_, i) => size[i % cols]! * next()), cols);
}

/** Samples of every linear of a model. */
export const tinySamples = (config: ModelConfig, tokens = 16): ActivationSamples =>
  new Map(linearSpecs(config).map((spec, i) => [spec.name, siteSamples(spec.cols, tokens, 100 + i)]));
