import { fillRopeTable } from '../../src/runtime/rope-table.ts';
import type { WeightStore } from '../../src/models/weights.ts';

/** Sums of l r^T over rows [rows, cols], f64. */
export function naiveCross(left: readonly ArrayLike<number>[], right: readonly ArrayLike<number>[], cols: number): Float64Array {
  const sum = new Float64Array(cols * cols);
  for (const [t, row] of left.entries()) for (let i = 0; i < cols; i++) for (let j = 0; j < cols; j++) sum[i * cols + j]! += row[i]! * right[t]![j]!;
  return sum;
}

/** Sums of r r^T over rows [rows, cols], f64. */
export const naiveGram = (rows: readonly ArrayLike<number>[], cols: number): Float64Array => naiveCross(rows, rows, cols);

/** What the queries of each KV head average of inputs x of `layers.N.attn.qkv`, [kvHeads][query after query, its heads in order][hidden]. */
export async function naiveAverages(store: WeightStore, layer: number, x: readonly ArrayLike<number>[]): Promise<Float64Array[][]> {
  const { heads, kvHeads, headDim, hidden, rope } = store.config;
  const table = new Float32Array(x.length * headDim);
  fillRopeTable(table, rope, headDim, x.length);
  const project = async (part: string, count: number): Promise<number[][][]> => {
    const weights = await store.tensor(`layers.${layer}.attn.${part}`).read(0, count * headDim);
    return x.map((row, t) => Array.from({ length: count }, (_, head) => {
      const product = (i: number): number => weights.subarray(i * hidden, (i + 1) * hidden).reduce((sum, weight, c) => sum + weight * row[c]!, 0);
      const plain = Array.from({ length: headDim }, (__, i) => product(head * headDim + i));
      const half = headDim / 2;
      return plain.map((value, i) => {
        const [cosine, sine] = [table[t * headDim + (i % half)]!, table[t * headDim + half + (i % half)]!];
        return i < half ? value * cosine - plain[i + half]! * sine : value * cosine + plain[i - half]! * sine;
      });
    }));
  };
  const [q, k] = [await project('q', heads), await project('k', kvHeads)];
  const group = heads / kvHeads;
  return Array.from({ length: kvHeads }, (_, kvHead) => x.flatMap((__, t) => Array.from({ length: group }, (___, g) => {
    const scores = x.slice(0, t + 1).map((____, s) => q[t]![kvHead * group + g]!.reduce((sum, value, i) => sum + value * k[s]![kvHead]![i]!, 0) / Math.sqrt(headDim));
    const top = Math.max(...scores);
    const shares = scores.map((score) => Math.exp(score - top));
    const total = shares.reduce((a, b) => a + b);
    return Float64Array.from({ length: hidden }, (____, c) => shares.reduce((sum, share, s) => sum + (share / total) * x[s]![c]!, 0));
  })));
}
