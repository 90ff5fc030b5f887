import { Random } from '../../core/random.ts';

const SEED = 1;
/** Starts of which the best is kept, and rounds after which one that still moves is stopped. */
const STARTS = 10;
const ROUNDS = 100;

export interface Clusters {
  /** i32 [points]: the cluster of each point. */
  readonly labels: Int32Array;
  /** f64 [clusters, dims]; fewer clusters than were asked for where there are fewer different points. */
  readonly centres: Float64Array;
  /** Sum of squared distances of the points from their centres. */
  readonly spread: number;
}

function squaredDistance(points: Float64Array, i: number, centres: Float64Array, j: number, dims: number): number {
  let sum = 0;
  for (let d = 0; d < dims; d++) {
    const difference = points[i * dims + d]! - centres[j * dims + d]!;
    sum += difference * difference;
  }
  return sum;
}

/** Centres among the points, each drawn with a probability in proportion to its squared distance from the nearest one before it (Arthur, Vassilvitskii 2007). */
function firstCentres(points: Float64Array, dims: number, clusters: number, random: Random): Float64Array {
  const count = points.length / dims;
  const centres = new Float64Array(clusters * dims);
  const nearest = new Float64Array(count).fill(Infinity);
  let pick = Math.floor(random.next() * count);
  for (let j = 0; j < clusters; j++) {
    centres.set(points.subarray(pick * dims, (pick + 1) * dims), j * dims);
    let total = 0;
    for (let i = 0; i < count; i++) total += nearest[i] = Math.min(nearest[i]!, squaredDistance(points, i, centres, j, dims));
    if (total === 0) return centres.subarray(0, (j + 1) * dims);
    const target = random.next() * total;
    pick = 0;
    for (let sum = nearest[0]!; sum <= target && pick < count - 1; sum += nearest[pick]!) pick++;
  }
  return centres;
}

/** Gives each point the nearest centre, the first of equal ones; returns the spread. */
function assign(points: Float64Array, dims: number, centres: Float64Array, labels: Int32Array): number {
  let spread = 0;
  for (let i = 0; i < labels.length; i++) {
    let least = Infinity;
    for (let j = 0; j < centres.length / dims; j++) {
      const distance = squaredDistance(points, i, centres, j, dims);
      if (distance >= least) continue;
      least = distance;
      labels[i] = j;
    }
    spread += least;
  }
  return spread;
}

/** Moves each centre to the mean of its points; one without points stays. */
function recentre(points: Float64Array, dims: number, centres: Float64Array, labels: Int32Array): void {
  const sums = new Float64Array(centres.length);
  const counts = new Int32Array(centres.length / dims);
  labels.forEach((j, i) => {
    counts[j]!++;
    for (let d = 0; d < dims; d++) sums[j * dims + d]! += points[i * dims + d]!;
  });
  for (let at = 0; at < centres.length; at++) {
    const count = counts[Math.floor(at / dims)]!;
    if (count > 0) centres[at] = sums[at]! / count;
  }
}

/** Lloyd's algorithm from a few seeded starts: the same points give the same clusters. points: finite, f64 [n, dims], at least one. */
export function kMeans(points: Float64Array, dims: number, clusters: number): Clusters {
  const random = Random.seeded(SEED);
  let best: Clusters | null = null;
  for (let start = 0; start < STARTS; start++) {
    const centres = firstCentres(points, dims, clusters, random);
    const labels = new Int32Array(points.length / dims);
    let spread = assign(points, dims, centres, labels);
    for (let round = 0, before = Infinity; round < ROUNDS && spread < before; round++) {
      before = spread;
      recentre(points, dims, centres, labels);
      spread = assign(points, dims, centres, labels);
    }
    if (!best || spread < best.spread) best = { labels, centres, spread };
  }
  return best!;
}
