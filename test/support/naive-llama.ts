import { hadamard, rotateRows, transposed } from '../../src/core/hadamard.ts';
import type { ActivationSamples } from '../../src/calibrate/samples.ts';
import type { ModelConfig } from '../../src/models/config.ts';
import { linearSpecs } from '../../src/models/sites.ts';
import type { WeightStore } from '../../src/models/weights.ts';
import { fillRopeTable } from '../../src/runtime/rope-table.ts';
import { samplesOfRows } from './samples.ts';

/** A Llama by its parts, in f64. Linears are those of a packed model: q, k, v and gate, up are one. */
export interface NaiveModel {
  readonly config: ModelConfig;
  /** The last norm's input is multiplied by the inverse of the Hadamard matrix of its width. */
  readonly rotated: boolean;
  /** Whether keys are cached before or after RoPE, and whether queries and keys are multiplied by the Hadamard matrix of a head. */
  readonly cache: { readonly rope: 'before' | 'after'; readonly rotate: boolean };
  embed(id: number): Float64Array;
  gamma(norm: string): Float64Array;
  multiply(linear: string, x: Float64Array, position: number): Float64Array;
  /** What attention reads of keys or values that go into the cache, `layers.N.attn.keys` and `layers.N.attn.values`. */
  cached(site: string, row: Float64Array, position: number): Float64Array;
}

/** A matrix [rows, cols] times a vector. */
export function times(matrix: ArrayLike<number>, x: ArrayLike<number>): Float64Array {
  const cols = x.length;
  const y = new Float64Array(matrix.length / cols);
  for (let row = 0; row < y.length; row++) {
    let sum = 0;
    for (let k = 0; k < cols; k++) sum += x[k]! * matrix[row * cols + k]!;
    y[row] = sum;
  }
  return y;
}

/** Consecutive runs of `width` values multiplied by the Hadamard matrix of that width, or by its inverse. */
export function turned(row: Float64Array, width: number, inverse = false): Float64Array {
  const matrix = hadamard(width)!;
  const result = row.slice();
  rotateRows(result, row.length / width, inverse ? transposed(matrix) : matrix);
  return result;
}

function normed(x: Float64Array, gamma: Float64Array, eps: number): Float64Array {
  const mean = x.reduce((sum, value) => sum + value * value, 0) / x.length;
  return x.map((value, i) => (value / Math.sqrt(mean + eps)) * gamma[i]!);
}

const plus = (a: Float64Array, b: Float64Array): Float64Array => a.map((value, i) => value + b[i]!);

/** The forward pass, written as the formulas stand: one token after the other, keys and values in lists. Gives the logits of all positions, f64 [ids, vocab]. */
export function naiveForward(model: NaiveModel, ids: readonly number[]): Float64Array {
  const { config, cache } = model;
  const { layers, hidden, heads, kvHeads, headDim, vocab, normEps, ffn } = config;
  const table = new Float32Array(ids.length * headDim);
  fillRopeTable(table, config.rope, headDim, ids.length);
  const rope = (row: Float64Array, position: number): Float64Array => row.map((value, c) => {
    const half = headDim / 2;
    const i = c % headDim;
    const [cosine, sine] = [table[position * headDim + (i % half)]!, table[position * headDim + half + (i % half)]!];
    return i < half ? value * cosine - row[c + half]! * sine : value * cosine + row[c - half]! * sine;
  });
  const spread = (row: Float64Array): Float64Array => (cache.rotate ? turned(row, headDim) : row);

  const keys: Float64Array[][] = Array.from({ length: layers }, () => []);
  const values: Float64Array[][] = Array.from({ length: layers }, () => []);
  const logits = new Float64Array(ids.length * vocab);
  ids.forEach((id, position) => {
    let x = model.embed(id);
    for (let n = 0; n < layers; n++) {
      const at = (part: string): string => `layers.${n}.${part}`;
      const qkv = model.multiply(at('attn.qkv'), normed(x, model.gamma(at('attn.norm')), normEps), position);
      const [q, k, v] = [[0, heads], [heads, heads + kvHeads], [heads + kvHeads, heads + 2 * kvHeads]].map(([from, to]) => qkv.subarray(from! * headDim, to! * headDim));
      const query = spread(rope(q!, position));
      const early = cache.rope === 'before';
      const key = model.cached(at('attn.keys'), early ? k! : spread(rope(k!, position)), position);
      keys[n]!.push(early ? rope(key, position) : key);
      values[n]!.push(model.cached(at('attn.values'), v!, position));
      const attended = new Float64Array(heads * headDim);
      for (let head = 0; head < heads; head++) {
        const shared = Math.floor(head / (heads / kvHeads)) * headDim;
        const own = query.subarray(head * headDim, (head + 1) * headDim);
        const scores = keys[n]!.map((row) => own.reduce((sum, value, i) => sum + value * row[shared + i]!, 0) / Math.sqrt(headDim));
        const top = Math.max(...scores);
        const shares = scores.map((score) => Math.exp(score - top));
        const total = shares.reduce((sum, share) => sum + share, 0);
        shares.forEach((share, t) => {
          for (let i = 0; i < headDim; i++) attended[head * headDim + i]! += (share / total) * values[n]![t]![shared + i]!;
        });
      }
      x = plus(x, model.multiply(at('attn.o'), attended, position));
      const gateUp = model.multiply(at('mlp.gate_up'), normed(x, model.gamma(at('mlp.norm')), normEps), position);
      const gated = gateUp.slice(0, ffn).map((gate, i) => (gate / (1 + Math.exp(-gate))) * gateUp[ffn + i]!);
      x = plus(x, model.multiply(at('mlp.down'), gated, position));
    }
    if (model.rotated) x = turned(x, hidden, true);
    logits.set(model.multiply('output', normed(x, model.gamma('norm'), normEps), position), position * vocab);
  });
  return logits;
}

export interface NaiveOptions {
  /** Embeddings are multiplied by the Hadamard matrix of their width, the last norm's input by its inverse. */
  readonly rotated?: boolean;
  /** Sites whose inputs are multiplied by the Hadamard matrix of their width. */
  readonly online?: ReadonlySet<string>;
  /** Sees the input of every linear, and the keys after RoPE as `layers.N.attn.keys`, token by token. */
  readonly tap?: (name: string, row: Float64Array) => void;
}

/** Logits of a store's own weights, f64 [ids, vocab]. */
export async function naiveLogits(store: WeightStore, ids: readonly number[], { rotated = false, online = new Set(), tap }: NaiveOptions = {}): Promise<Float64Array> {
  const { config } = store;
  const specs = linearSpecs(config);
  const read = async (names: readonly string[]): Promise<Float64Array> => {
    const parts = await Promise.all(names.map((name) => store.tensor(name).read(0, store.tensor(name).rows)));
    return Float64Array.from(parts.flatMap((part) => [...part]));
  };
  const loaded = new Map<string, Float64Array>();
  for (const { name, tensors, norm } of specs) {
    loaded.set(name, await read(tensors));
    if (norm) loaded.set(norm, await read([norm]));
  }
  const table = loaded.get('embed') ?? loaded.get('output')!;
  const { hidden } = config;
  return naiveForward({
    config, rotated, cache: { rope: 'after', rotate: false },
    embed(id) {
      const row = table.slice(id * hidden, (id + 1) * hidden);
      return rotated ? turned(row, hidden) : row;
    },
    gamma: (norm) => loaded.get(norm)!,
    multiply(linear, x) {
      const given = online.has(linear.replace(/^layers\.\d+\./, '')) ? turned(x, x.length) : x;
      tap?.(linear, given);
      return times(loaded.get(linear)!, given);
    },
    cached(site, row) {
      if (site.endsWith('keys')) tap?.(site, row);
      return row;
    },
  }, ids);
}

/** Samples of every linear and of the keys from `naiveLogits`, all tokens kept. */
export async function naiveSamples(store: WeightStore, ids: readonly number[], options: NaiveOptions = {}): Promise<ActivationSamples> {
  const seen = new Map<string, Float64Array[]>();
  await naiveLogits(store, ids, { ...options, tap: (name, row) => void seen.set(name, [...(seen.get(name) ?? []), row]) });
  return new Map([...seen].map(([name, rows]) => [name, samplesOfRows(Float32Array.from(rows.flatMap((row) => [...row])), rows[0]!.length)]));
}
