import { hadamard, rotateRows, transposed } from '../../src/core/hadamard.ts';
import type { ActivationSamples } from '../../src/calibrate/samples.ts';
import type { WeightStore } from '../../src/models/weights.ts';
import { fillRopeTable } from '../../src/runtime/rope-table.ts';
import { samplesOfRows } from './samples.ts';

export interface NaiveOptions {
  /** Embeddings are multiplied by the Hadamard matrix of their width, the last norm's input by its inverse. */
  readonly rotated?: boolean;
  /** Sites whose inputs are multiplied by the Hadamard matrix of their width. */
  readonly online?: ReadonlySet<string>;
  /** Sees the input of every linear, and the keys after RoPE as `layers.N.attn.keys`, token by token. */
  readonly tap?: (name: string, row: Float64Array) => void;
}

interface Matrix {
  readonly cols: number;
  readonly values: Float64Array;
}

const multiply = ({ cols, values }: Matrix, x: Float64Array): Float64Array =>
  Float64Array.from({ length: values.length / cols }, (_, row) => x.reduce((sum, value, k) => sum + value * values[row * cols + k]!, 0));

const times = (row: Float64Array, matrix: ReturnType<typeof hadamard>): Float64Array => {
  const result = row.slice();
  rotateRows(result, 1, matrix!);
  return result;
};

function normed(x: Float64Array, gamma: Matrix, eps: number): Float64Array {
  const mean = x.reduce((sum, value) => sum + value * value, 0) / x.length;
  return x.map((value, i) => (value / Math.sqrt(mean + eps)) * gamma.values[i]!);
}

/** A Llama in f64, written as the formulas stand: one token after the other, keys and values in lists. Gives the logits of all positions, f64 [ids, vocab]. */
export async function naiveLogits(store: WeightStore, ids: readonly number[], { rotated = false, online = new Set(), tap }: NaiveOptions = {}): Promise<Float64Array> {
  const { config } = store;
  const { layers, hidden, heads, kvHeads, headDim, vocab, normEps } = config;
  const load = async (name: string): Promise<Matrix> => {
    const { rows, cols, read } = store.tensor(name);
    return { cols, values: Float64Array.from(await read(0, rows)) };
  };
  const loaded = new Map<string, Matrix>();
  const parts = ['attn.norm', 'attn.q', 'attn.k', 'attn.v', 'attn.o', 'mlp.norm', 'mlp.gate', 'mlp.up', 'mlp.down'];
  const names = ['embed', 'norm', ...(config.tied ? [] : ['output']), ...Array.from({ length: layers }, (_, n) => parts.map((part) => `layers.${n}.${part}`)).flat()];
  for (const name of names) loaded.set(name, await load(name));
  const weights = (name: string): Matrix => loaded.get(name)!;
  const table = new Float32Array(ids.length * headDim);
  fillRopeTable(table, config.rope, headDim, ids.length);
  const turn = (row: Float64Array, position: number): Float64Array => row.map((value, c) => {
    const half = headDim / 2;
    const i = c % headDim;
    const [cosine, sine] = [table[position * headDim + (i % half)]!, table[position * headDim + half + (i % half)]!];
    return i < half ? value * cosine - row[c + half]! * sine : value * cosine + row[c - half]! * sine;
  });
  const input = (layer: number, site: string, row: Float64Array): Float64Array => {
    const given = online.has(site) ? times(row, hadamard(row.length)) : row;
    tap?.(`layers.${layer}.${site}`, given);
    return given;
  };

  const keys: Float64Array[][] = Array.from({ length: layers }, () => []);
  const values: Float64Array[][] = Array.from({ length: layers }, () => []);
  const logits = new Float64Array(ids.length * vocab);
  ids.forEach((id, position) => {
    let x: Float64Array = weights('embed').values.slice(id * hidden, (id + 1) * hidden);
    if (rotated) x = times(x, hadamard(hidden));
    for (let n = 0; n < layers; n++) {
      const at = (part: string): Matrix => weights(`layers.${n}.${part}`);
      const h = input(n, 'attn.qkv', normed(x, at('attn.norm'), normEps));
      const q = turn(multiply(at('attn.q'), h), position);
      keys[n]!.push(turn(multiply(at('attn.k'), h), position));
      values[n]!.push(multiply(at('attn.v'), h));
      tap?.(`layers.${n}.attn.keys`, keys[n]![position]!);
      const attended = new Float64Array(heads * headDim);
      for (let head = 0; head < heads; head++) {
        const shared = Math.floor(head / (heads / kvHeads)) * headDim;
        const query = q.subarray(head * headDim, (head + 1) * headDim);
        const scores = keys[n]!.map((key) => query.reduce((sum, value, i) => sum + value * key[shared + i]!, 0) / Math.sqrt(headDim));
        const top = Math.max(...scores);
        const shares = scores.map((score) => Math.exp(score - top));
        const total = shares.reduce((sum, share) => sum + share, 0);
        shares.forEach((share, t) => {
          for (let i = 0; i < headDim; i++) attended[head * headDim + i]! += (share / total) * values[n]![t]![shared + i]!;
        });
      }
      const o = multiply(at('attn.o'), input(n, 'attn.o', attended));
      x = x.map((value, i) => value + o[i]!);
      const m = input(n, 'mlp.gate_up', normed(x, at('mlp.norm'), normEps));
      const up = multiply(at('mlp.up'), m);
      const gated = multiply(at('mlp.gate'), m).map((gate, i) => (gate / (1 + Math.exp(-gate))) * up[i]!);
      const down = multiply(at('mlp.down'), input(n, 'mlp.down', gated));
      x = x.map((value, i) => value + down[i]!);
    }
    if (rotated) x = times(x, transposed(hadamard(hidden)!));
    const last = normed(x, weights('norm'), normEps);
    tap?.('output', last);
    logits.set(multiply(weights(config.tied ? 'embed' : 'output'), last), position * vocab);
  });
  return logits;
}

/** Samples of every linear and of the keys from `naiveLogits`, all tokens kept. */
export async function naiveSamples(store: WeightStore, ids: readonly number[], options: NaiveOptions = {}): Promise<ActivationSamples> {
  const seen = new Map<string, Float64Array[]>();
  await naiveLogits(store, ids, { ...options, tap: (name, row) => void seen.set(name, [...(seen.get(name) ?? []), row]) });
  return new Map([...seen].map(([name, rows]) => [name, samplesOfRows(Float32Array.from(rows.flatMap((row) => [...row])), rows[0]!.length)]));
}
