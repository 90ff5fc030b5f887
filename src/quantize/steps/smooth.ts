import type { ActivationSamples, SiteSamples } from '../../calibrate/samples.ts';
import { TetradError } from '../../core/errors.ts';
import type { ModelConfig } from '../../models/config.ts';
import { linearSpecs, type LinearSpec } from '../../models/sites.ts';
import type { WeightStore } from '../../models/weights.ts';
import { scaled, type Fold, type Folds } from '../folds.ts';
import { maxOverHeads, repeatHeads } from '../heads.ts';
import { chunkRows } from '../rows.ts';
import type { Block, BlockSite } from '../schema.ts';
import { divideSamples } from './samples.ts';
import { candidates, keyFactors, percentileFactors, powerFactors, type Peaks } from './smooth-rules.ts';
import { leastError, ROWS, spread, type SiteRounding } from './smooth-search.ts';

/** What a transform with calibrated factors does to the weights, and all samples as they are after it. */
export interface Smoothed {
  readonly folds: Folds;
  readonly samples: ActivationSamples;
}

const inverse = (factors: Float64Array): Float64Array => factors.map((factor) => 1 / factor);

/** What emits a linear's inputs: the norm that it reads, or rows of a tensor of its layer. */
const producerOf = ({ name, site, norm }: LinearSpec): readonly [tensor: string, axis: 'rows' | 'columns'] =>
  norm ? [norm, 'columns'] : [name.replace(site, site === 'attn.o' ? 'attn.v' : 'mlp.up'), 'rows'];

/** Samples with `cols` channels; throws `invalid_argument` where there are none or of another shape. */
function needed(samples: ActivationSamples, name: string, cols: number): SiteSamples {
  const found = samples.get(name);
  if (found?.absmax.length === cols) return found;
  const what = found ? `samples of ${found.absmax.length} channels` : 'no samples';
  throw new TetradError('invalid_argument', `Cannot smooth ${name}: found ${what}, needed are calibration samples of ${cols} channels`);
}

/** Largest magnitudes of a linear's columns, and an even choice of its rows, f32 [rows, cols]. */
async function survey(store: WeightStore, spec: LinearSpec, signal?: AbortSignal): Promise<{ peaks: Float64Array; picked: Float32Array }> {
  const { cols } = spec;
  const peaks = new Float64Array(cols);
  const wanted = spread(spec.rows, ROWS);
  const picked = new Float32Array(wanted.length * cols);
  let [base, next] = [0, 0];
  for (const tensor of spec.tensors.map((name) => store.tensor(name))) {
    for (let from = 0; from < tensor.rows; from += chunkRows(cols)) {
      const to = Math.min(tensor.rows, from + chunkRows(cols));
      const values = await tensor.read(from, to, signal);
      for (let row = 0; row < values.length; row += cols) {
        for (let k = 0; k < cols; k++) peaks[k] = Math.max(peaks[k]!, Math.abs(values[row + k]!));
      }
      for (; next < wanted.length && wanted[next]! < base + to; next++) {
        const at = (wanted[next]! - base - from) * cols;
        picked.set(values.subarray(at, at + cols), next * cols);
      }
    }
    base += tensor.rows;
  }
  return { peaks, picked };
}

/** Factors of a linear's inputs, [cols], from those of what emits them: heads that share their values share the factors. */
const widened = (spec: LinearSpec, factors: Float64Array, config: ModelConfig): Float64Array => (spec.site === 'attn.o' ? repeatHeads(factors, config) : factors);

async function factorsOf(
  store: WeightStore, spec: LinearSpec, site: SiteSamples, rule: Block<'smooth'>['rule'], round: SiteRounding, signal?: AbortSignal,
): Promise<Float64Array> {
  const shared = (peaks: ArrayLike<number>): Float64Array => (spec.site === 'attn.o' ? maxOverHeads(peaks, store.config) : Float64Array.from(peaks));
  const inputs = shared(site.absmax);
  if (rule.by === 'percentile') return percentileFactors(inputs, rule.share);
  const { peaks: columns, picked } = await survey(store, spec, signal);
  const peaks: Peaks = { inputs, weights: shared(columns) };
  if (rule.by === 'power') return powerFactors(peaks, rule.activations, rule.weights);
  const tried = candidates(peaks, rule.steps);
  return tried[leastError(tried.map((factors) => widened(spec, factors, store.config)), site, picked, spec.cols, round)]!;
}

/**
 * Divides inputs and multiplies weights by a factor for each channel: into the norm that a site reads, or into the rows that emit its input. All factors
 * follow from weights as `store` and inputs as `samples` have them; `rounding` is used by a search.
 */
export async function smooth(
  store: WeightStore, block: Block<'smooth'>, samples: ActivationSamples, rounding: (spec: LinearSpec) => SiteRounding, signal?: AbortSignal,
): Promise<Smoothed> {
  const folds = new Map<string, readonly Fold[]>();
  const after = new Map(samples);
  const add = (name: string, axis: 'rows' | 'columns', factors: Float64Array): void => void folds.set(name, [...(folds.get(name) ?? []), scaled(axis, factors)]);
  for (const spec of linearSpecs(store.config)) {
    if (!block.sites.includes(spec.site as BlockSite)) continue;
    const site = needed(samples, spec.name, spec.cols);
    const factors = await factorsOf(store, spec, site, block.rule, rounding(spec), signal);
    const wide = widened(spec, factors, store.config);
    for (const name of spec.tensors) add(name, 'columns', wide);
    add(...producerOf(spec), inverse(factors));
    after.set(spec.name, divideSamples(site, wide));
  }
  return { folds, samples: after };
}

/** Divides keys and multiplies queries by a factor for each channel of the keys, the same for a RoPE pair and for all heads that share a key. */
export function smoothKeys(config: ModelConfig, block: Block<'smoothKeys'>, samples: ActivationSamples): Smoothed {
  const folds = new Map<string, readonly Fold[]>();
  const after = new Map(samples);
  for (let n = 0; n < config.layers; n++) {
    const name = `layers.${n}.attn.keys`;
    const keys = needed(samples, name, config.kvHeads * config.headDim);
    const factors = keyFactors(keys.absmax, config.headDim, block.power);
    folds.set(`layers.${n}.attn.k`, [scaled('rows', inverse(factors))]);
    folds.set(`layers.${n}.attn.q`, [scaled('rows', repeatHeads(factors, config))]);
    after.set(name, divideSamples(keys, factors));
  }
  return { folds, samples: after };
}
