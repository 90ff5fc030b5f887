import type { SiteSamples } from '../../calibrate/samples.ts';
import type { ModelConfig } from '../../models/config.ts';
import type { Recipe } from '../recipe.ts';
import { kMeans } from './kmeans.ts';

/** Clusters of a head's channels that share a range (Yuan et al., RPTQ, 2023, appendix). */
const CLUSTERS = 4;

/** Ranges of a head's channels, widened to those of their clusters. */
function clusteredRanges(minimum: Float32Array, maximum: Float32Array): { readonly low: Float64Array; readonly high: Float64Array } {
  const points = Float64Array.from({ length: 2 * minimum.length }, (_, i) => (i % 2 ? minimum : maximum)[i >> 1]!);
  const { labels } = kMeans(points, 2, CLUSTERS);
  const [lows, highs] = [new Float64Array(CLUSTERS).fill(Infinity), new Float64Array(CLUSTERS).fill(-Infinity)];
  labels.forEach((label, i) => {
    lows[label] = Math.min(lows[label]!, minimum[i]!);
    highs[label] = Math.max(highs[label]!, maximum[i]!);
  });
  return { low: Float64Array.from(labels, (label) => lows[label]!), high: Float64Array.from(labels, (label) => highs[label]!) };
}

/** The constants of a layer's static KV cache, f32 [k, v][scale, min][kvHeads * headDim], from the calibrated ranges of its keys and values. */
export function kvConstants(
  recipe: Recipe, { kvHeads, headDim }: ModelConfig, layer: number, samplesOf: (name: string, channels: number) => SiteSamples,
): Float32Array {
  const channels = kvHeads * headDim;
  const out = new Float32Array(4 * channels);
  const steps = (1 << recipe.kv.bits) - 1;
  ['keys', 'values'].forEach((name, part) => {
    const { minimum, maximum } = samplesOf(`layers.${layer}.attn.${name}`, channels);
    for (let head = 0; head < kvHeads; head++) {
      const at = head * headDim;
      const { low, high } = clusteredRanges(minimum.subarray(at, at + headDim), maximum.subarray(at, at + headDim));
      for (let c = 0; c < headDim; c++) {
        out[2 * part * channels + at + c] = (high[c]! - low[c]!) / steps;
        out[(2 * part + 1) * channels + at + c] = low[c]!;
      }
    }
  });
  return out;
}
