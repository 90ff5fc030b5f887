import type { SiteSamples } from '../../calibrate/samples.ts';
import type { Block, Recipe } from '../schema.ts';
import { kMeans } from './kmeans.ts';

/** Clusters of channels where no blocks say how many make sense. */
const CLUSTERS = 32;

/** Channels by ascending key; equal ones keep their order. i32 [cols]: channel at each place. */
const ascending = (keys: ArrayLike<number>): Int32Array =>
  Int32Array.from({ length: keys.length }, (_, channel) => channel).sort((a, b) => keys[a]! - keys[b]! || a - b);

/** Clusters of channels with about the same (maximum, minimum), by ascending range of their centres. */
function byRanges({ minimum, maximum }: SiteSamples, clusters: number): Int32Array {
  const points = Float64Array.from({ length: 2 * minimum.length }, (_, i) => (i % 2 === 0 ? maximum : minimum)[i >> 1]!);
  const { labels, centres } = kMeans(points, 2, clusters);
  const order = ascending(Float64Array.from({ length: centres.length / 2 }, (_, j) => centres[2 * j]! - centres[2 * j + 1]!));
  const place = new Int32Array(order.length);
  order.forEach((cluster, i) => { place[cluster] = i; });
  return ascending(labels.map((label) => place[label]!));
}

/** The order of a `reorder` for inputs of format `act`: as many clusters as there are blocks. */
export function orderBy(by: Block<'reorder'>['by'], samples: SiteSamples, act: Recipe['act']): Int32Array {
  switch (by) {
    case 'energy': return ascending(samples.meanSquare);
    case 'absmax': return ascending(samples.absmax);
    case 'ranges': return byRanges(samples, act.bits === 32 || act.block === 'row' ? CLUSTERS : Math.ceil(samples.minimum.length / act.block));
    default: return by satisfies never;
  }
}
