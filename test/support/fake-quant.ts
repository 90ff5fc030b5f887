import { f16ToF32, f32ToF16 } from '../../src/core/numeric.ts';
import { isCodes, type ActFormat, type KvFormat } from '../../src/formats/number-format.ts';
import type { Linear, Manifest } from '../../src/models/image.ts';
import { linearSpecs } from '../../src/models/sites.ts';
import type { Decoder } from '../../src/runtime/decoder.ts';
import { floatsAt, intsAt, linearValues, lowRankValues, segmentValues, sparseValues } from './image.ts';
import { allLogits } from './logits.ts';
import { times, turned, type NaiveModel } from './naive-llama.ts';
import type { Packed } from './pack.ts';

/*
 * A packed model as a function in f64: weights dequantised, activations and caches rounded by the definition of their formats, everything else plain
 * arithmetic. A decoder's f32 arithmetic moves inputs in their last bits, so that some which lie next to the middle between two codes are rounded to the
 * other side. There, and only there, this model follows the decoder: then one tie does not hide what comes after it.
 */

/** What a decoder was seen to do: by site and position, the row that a tap saw. */
export interface Seen {
  readonly logits: Float32Array;
  readonly rows: ReadonlyMap<string, readonly Float32Array[]>;
}

/** Runs a decoder that can give PAGE rows of logits over a fresh window. */
export function watch(decoder: Decoder, ids: readonly number[]): Seen {
  const rows = new Map<string, Float32Array[]>();
  decoder.tap = (name, values, tokens, stride, cols) => {
    const list = rows.get(name) ?? [];
    for (let t = 0; t < tokens; t++) list.push(values.slice(t * stride, t * stride + cols));
    rows.set(name, list);
  };
  const logits = allLogits(decoder, ids);
  decoder.tap = null;
  return { logits, rows };
}

/** What a comparison has found. */
export interface Tally {
  /** How far f32 arithmetic may move an input, relative to the largest one of its block. */
  readonly moved: number;
  /** Codes that were compared with the decoder's, and those that a tie made differ from the nearest, by linear. */
  readonly codes: Map<string, number>;
  readonly ties: Map<string, number>;
}

/**
 * Of f32 sums 256 roundings. Where activations are asymmetric, the part of a sum that the codes give and the part that the centres give are as large as the
 * range of the values, and most of them cancel: 64 times as much.
 */
const movedIn = ({ linears }: Manifest): number => {
  const asymmetric = Object.values(linears).some(({ segments }) => segments.some(({ act }) => act?.zero));
  return (asymmetric ? 64 : 1) * 256 * 2 ** -24;
};

const count = (tally: Map<string, number>, name: string): void => void tally.set(name, (tally.get(name) ?? 0) + 1);

function peakOf(values: ArrayLike<number>): number {
  let peak = 0;
  for (let i = 0; i < values.length; i++) peak = Math.max(peak, Math.abs(values[i]!));
  return peak;
}

function near(name: string, own: Float64Array, theirs: Float32Array, { moved }: Tally): void {
  const most = moved * peakOf(own);
  const at = own.findIndex((x, i) => !(Math.abs(x - theirs[i]!) <= most));
  if (at >= 0) throw new Error(`${name}: channel ${at} is ${theirs[at]}, needed is ${own[at]} within ${most}`);
}

/** Scale and centre of a block from its values. */
function gridOf({ bits, clip, zero }: ActFormat, low: number, high: number, x: readonly number[]): readonly [scale: number, centre: number] {
  if (!zero) return [(peakOf(x) * clip) / high, 0];
  const [least, most] = [Math.min(...x), Math.max(...x)];
  const scale = ((most - least) * clip) / (bits === 4 ? 15 : 254);
  return [scale, (least + most) / 2 - (scale * (low + high)) / 2];
}

/** A block as its codes stand for it, which the decoder's values `theirs` stand for as well. */
function rounded(name: string, act: ActFormat, x: Float64Array, theirs: Float32Array, constants: readonly [number, number] | null, tally: Tally): Float64Array {
  const high = act.bits === 4 ? 7 : 127;
  const low = act.zero && act.bits === 4 ? -8 : -high;
  const stays = (value: number): boolean => act.outliers !== undefined && Math.abs(value) >= act.outliers;
  const inside = Array.from(x, (value) => (stays(value) ? 0 : value));
  const [scale, centre] = constants ?? gridOf(act, low, high, inside);
  const slack = tally.moved * high;
  return x.map((value, i) => {
    if (stays(value)) return value;
    if (scale === 0) return centre;
    const place = Math.max(low, Math.min(high, (value - centre) / scale));
    const code = Math.round((theirs[i]! - centre) / scale);
    const result = scale * code + centre;
    count(tally.codes, name);
    if (Math.abs(place - code) > 0.5) count(tally.ties, name);
    const off = Math.max(Math.abs(place - code) - 0.5, Math.abs(theirs[i]! - result) / scale);
    if (!(off <= slack)) throw new Error(`${name}: ${theirs[i]} has code ${code}, needed is ${place} rounded, scale ${scale} and centre ${centre}`);
    return result;
  });
}

/** y = W x of a linear. */
function linearOf(name: string, linear: Linear, bytes: Uint8Array, seen: Seen, tally: Tally): NaiveModel['multiply'] {
  const { rows, cols, permute, segments } = linear;
  const order = permute ? intsAt(bytes, permute) : Int32Array.from({ length: cols }, (_, k) => k);
  const parts = segments.map((segment) => ({ ...segment, values: segmentValues(bytes, rows, segment), constants: segment.actScales ? floatsAt(bytes, segment.actScales) : null }));
  const [low, sparse] = [lowRankValues(bytes, linear), sparseValues(bytes, linear)];
  return (_, x, position) => {
    const given = linear.rotate ? turned(x, cols) : x;
    const own = Float64Array.from(order, (channel) => given[channel]!);
    const row = seen.rows.get(name)![position]!;
    const theirs = Float32Array.from(order, (channel) => row[channel]!);
    const y = new Float64Array(rows);
    const add = (more: Float64Array): void => more.forEach((value, i) => (y[i]! += value));
    for (const { k: [from, to], act, values, constants } of parts) {
      const used = own.slice(from, to);
      if (!act) near(name, used, theirs.subarray(from, to), tally);
      const block = act && act.block !== 'row' ? act.block : to - from;
      for (let at = 0; act && at < used.length; at += block) {
        const pair = constants && ([constants[(2 * at) / block]!, constants[(2 * at) / block + 1]!] as const);
        used.set(rounded(name, act, used.slice(at, at + block), theirs.subarray(from + at, to), pair, tally), at);
      }
      add(times(values, used));
    }
    if (low) add(times(low.up, times(low.down, own)));
    if (sparse) add(times(sparse, own));
    return y;
  };
}

/** What attention reads of a row that goes into a cache of codes. `row`: the decoder's own, so that codes are the same. */
function throughCache({ config, vectors }: Manifest, bytes: Uint8Array, kv: KvFormat, site: string, row: Float32Array): Float64Array {
  if (!isCodes(kv)) return Float64Array.from(row);
  const { headDim, kvHeads } = config;
  const most = 2 ** kv.bits - 1;
  const half = (x: number): number => f16ToF32(f32ToF16(x));
  const channels = kvHeads * headDim;
  const constants = kv.per === 'static' ? floatsAt(bytes, vectors[site.replace(/(keys|values)$/, 'kv')]!).subarray(site.endsWith('keys') ? 0 : 2 * channels) : null;
  return Float64Array.from(row, (x, c) => {
    const head = row.subarray(c - (c % headDim), c - (c % headDim) + headDim);
    const minimum = constants ? constants[channels + c]! : half(Math.min(...head));
    const scale = constants ? constants[c]! : half(Math.max(0, Math.max(...head) - minimum) / most);
    return minimum + scale * (scale > 0 ? Math.max(0, Math.min(most, Math.round((x - minimum) / scale))) : 0);
  });
}

/** A packed model with this cache, of 32 bits or of codes, compared with what a decoder was seen to do. Its methods throw where the two differ. */
export function fakeQuantised({ manifest, bytes }: Packed, kv: KvFormat, seen: Seen): { readonly model: NaiveModel; readonly tally: Tally } {
  const { config, linears, vectors } = manifest;
  const tally: Tally = { moved: movedIn(manifest), codes: new Map(), ties: new Map() };
  const specs = linearSpecs(config);
  const multiply = new Map(specs.map(({ name }) => [name, linearOf(name, linears[name]!, bytes, seen, tally)]));
  const gammas = new Map(specs.flatMap(({ name, norm }) => {
    if (!norm) return [];
    const [stored, { permute }] = [floatsAt(bytes, vectors[norm]!), linears[name]!];
    const gamma = Float64Array.from(stored);
    if (permute) intsAt(bytes, permute).forEach((channel, i) => (gamma[channel] = stored[i]!));
    return [[norm, gamma] as const];
  }));
  const table = linearValues(bytes, linears['embed'] ?? linears['output']!);
  const rotated = manifest.rotated ?? false;
  const model: NaiveModel = {
    config, rotated, cache: { rope: isCodes(kv) ? kv.rope : 'after', rotate: isCodes(kv) && kv.rotate === true },
    embed(id) {
      const row = Float64Array.from(table.subarray(id * config.hidden, (id + 1) * config.hidden));
      return rotated ? turned(row, config.hidden) : row;
    },
    gamma: (norm) => gammas.get(norm)!,
    multiply: (linear, x, position) => multiply.get(linear)!(linear, x, position),
    cached(site, row, position) {
      const theirs = seen.rows.get(site)![position]!;
      near(site, row, theirs, tally);
      return isCodes(kv) ? throughCache(manifest, bytes, kv, site, theirs) : row;
    },
  };
  return { model, tally };
}
