import type { Backend } from '../backends/backend.ts';
import { PAGE, PANEL } from '../formats/descriptor.ts';
import { padded } from '../formats/layout.ts';
import { KV32 } from '../formats/number-format.ts';
import type { ModelConfig } from '../models/config.ts';
import { RANGE } from './attention-units.ts';
import type { BoundLinear } from './bound-linear.ts';
import { KvCache } from './kv-cache.ts';
import type { MemoryLayout, Plan } from './layout.ts';
import type { DriftPlace, MomentLayout } from './moment-layout.ts';
import type { Team } from './team.ts';

/** What a block does about averages: nothing, put its inputs where later blocks find them, or that and sum up its own. */
const IGNORED = 0;
const CACHED = 1;
const SUMMED = 2;

/** What a block does about drift: nothing, keep its inputs and sum up nothing, or sum up what the inputs that were kept exceed its own by. */
const ALONE = 0;
const KEPT = 1;
const COMPARED = 2;

/** Which rows of a block count. */
export interface Counted {
  /** Rows before this one do not. */
  readonly from: number;
  /** Whether the averages of its queries do. */
  readonly attention: boolean;
  /** `kept`: only for the next block, which has the same tokens, to compare its inputs with. Default: neither. */
  readonly drift?: 'kept' | 'compared' | undefined;
}

type Rows = NonNullable<BoundLinear['values']>;

/** Units of `gram` for matrices of this size. */
const unitsOf = (size: number): number => Math.ceil(Math.ceil(size / PANEL) / 2);

/**
 * Second moments: sums over tokens of x x^T, of the inputs of linears, and for each KV head of what its queries average: a a^T with a = sum over t of
 * p[t] x[t], x the inputs of `attn.qkv` and p a query's attention. By the latter the head's values enter the output with their errors. Where the same tokens run
 * twice, with inputs x' and then x: also sums of (x' - x) x^T.
 * Attention averages a head's width of channels at a time, through the kernels that average values. Every rank makes the same calls; what is added to a
 * sum, and in which order, does not depend on who does it.
 */
export class Moments {
  readonly #backend: Backend;
  readonly #config: ModelConfig;
  readonly #layout: MemoryLayout;
  readonly #at: MomentLayout;
  readonly #team: Team;
  readonly #sizes: ReadonlyMap<string, number>;
  /** By head's width of channels. */
  readonly #caches: readonly KvCache[];

  constructor(plan: Plan, backend: Backend, layout: MemoryLayout, at: MomentLayout, context: number, team: Team) {
    const { config, linears } = plan;
    this.#backend = backend;
    this.#config = config;
    this.#layout = layout;
    this.#at = at;
    this.#team = team;
    this.#sizes = new Map(Object.keys(at.inputs).map((name) => [name, linears[name]!.cols]));
    const { attention } = at;
    const own = attention && { ...layout, kv: attention.caches, kvBytes: attention.cacheBytes, attention: attention.out };
    this.#caches = own ? Array.from({ length: config.hidden / config.headDim }, (_, chunk) => new KvCache(backend, own, plan, KV32, context, chunk)) : [];
  }

  /** Says which rows of the next block count, if any: rank 0, before all run it. A sequence counts from its first block on or not at all. */
  begin(counted: Counted | null): void {
    const { i32 } = this.#backend.memory;
    const at = this.#at.switches >>> 2;
    i32[at] = counted ? counted.from : PAGE;
    i32[at + 1] = !counted || counted.drift === 'kept' ? IGNORED : counted.attention ? SUMMED : CACHED;
    i32[at + 2] = counted?.drift === 'kept' ? KEPT : counted?.drift === 'compared' ? COMPARED : ALONE;
  }

  /** Sets all sums to zero: rank 0, between blocks. */
  clear(): void {
    this.#backend.memory.u8.fill(0, this.#at.from, this.#at.to);
  }

  /** The sum of a linear's inputs, f32 [cols, cols], symmetric; null where the linear keeps no f32 inputs. Rank 0, between blocks. */
  inputs(name: string): Float32Array | null {
    const size = this.#sizes.get(name);
    return size === undefined ? null : this.#symmetric(this.#at.inputs[name]!, size);
  }

  /** The sum of (x' - x) x^T of a linear's inputs, f32 [cols, cols]; null where that is not summed up. Rank 0, between blocks. */
  drift(name: string): Float32Array | null {
    const place = this.#at.drift?.[name];
    return place ? this.#matrix(place.sum, this.#sizes.get(name)!) : null;
  }

  /** By KV head: the sum of what its queries average, f32 [hidden, hidden]; null where that is not summed up. Rank 0, between blocks. */
  averages(layer: number): Float32Array[] | null {
    const { hidden, kvHeads } = this.#config;
    const sums = this.#at.attention?.sums[layer];
    return sums === undefined ? null : Array.from({ length: kvHeads }, (_, head) => this.#symmetric(sums + head * hidden * hidden * 4, hidden));
  }

  #matrix(address: number, size: number): Float32Array {
    return this.#backend.memory.f32.slice(address >>> 2, (address >>> 2) + size * size);
  }

  #symmetric(address: number, size: number): Float32Array {
    const matrix = this.#matrix(address, size);
    for (let i = 1; i < size; i++) for (let j = 0; j < i; j++) matrix[i * size + j] = matrix[j * size + i]!;
    return matrix;
  }

  /** Adds a linear's input, as the last producer left it. */
  addInput(linear: BoundLinear, tokens: number): void {
    const sum = this.#at.inputs[linear.name];
    const { values, cols } = linear;
    const switches = this.#at.switches >>> 2;
    const from = this.#backend.memory.i32[switches]!;
    const drift = this.#at.drift?.[linear.name];
    const what = this.#backend.memory.i32[switches + 2]!;
    if (sum === undefined || !values || from >= tokens) return;
    if (drift && what === KEPT) {
      this.#keep(drift, values, cols, from, tokens);
      return;
    }
    const rows = values.address + from * values.stride * 4;
    const team = this.#team;
    for (let more = team.deal(unitsOf(cols)); more; more = team.claim()) {
      this.#backend.kernels.gram(rows, values.stride, tokens - from, cols, sum, team.from, team.to, this.#layout.gemmScratch);
      team.beat();
    }
    team.barrier();
    if (drift && what === COMPARED) this.#compare(drift, values, cols, from, tokens);
  }

  /** Puts the rows that count aside. */
  #keep({ kept }: DriftPlace, { address, stride }: Rows, cols: number, from: number, tokens: number): void {
    const { f32 } = this.#backend.memory;
    const team = this.#team;
    for (let more = team.deal(tokens - from); more; more = team.claim()) {
      for (let t = from + team.from; t < from + team.to; t++) {
        const x = (address >>> 2) + t * stride;
        f32.copyWithin((kept >>> 2) + t * padded(cols), x, x + cols);
      }
    }
    team.barrier();
  }

  /** Adds what the rows that were kept exceed these by, times these. The differences come first: of sums that are nearly the same few digits would be left. */
  #compare({ kept, sum }: DriftPlace, { address, stride }: Rows, cols: number, from: number, tokens: number): void {
    const { memory: { f32 }, kernels } = this.#backend;
    const team = this.#team;
    const keptStride = padded(cols);
    const own = { kept: kept + from * keptStride * 4, address: address + from * stride * 4 };
    for (let more = team.deal(keptStride / PANEL); more; more = team.claim()) {
      for (let panel = team.from; panel < team.to; panel++) {
        for (let t = 0; t < tokens - from; t++) {
          const [at, x] = [(own.kept >>> 2) + t * keptStride, (own.address >>> 2) + t * stride];
          for (let k = panel * PANEL; k < Math.min(cols, (panel + 1) * PANEL); k++) f32[at + k]! -= f32[x + k]!;
        }
        kernels.crossGram(own.kept, keptStride, own.address, stride, tokens - from, cols, sum, panel, panel + 1, this.#layout.gemmScratch);
        team.beat();
      }
    }
    team.barrier();
  }

  /**
   * Adds what the queries of a block average, whose first token is at `position` and whose rows of q, k, v, `stride` apart, are turned and in the cache:
   * v is overwritten. `qkv` has its input still.
   */
  addAverages(layer: number, qkv: BoundLinear, tokens: number, stride: number, position: number): void {
    const what = this.#backend.memory.i32[(this.#at.switches >>> 2) + 1];
    if (!this.#at.attention || !qkv.values || what === IGNORED) return;
    const page = Math.floor(position / PAGE);
    this.#cache(layer, qkv.values, tokens, stride, page, position % PAGE);
    if (what !== SUMMED) return;
    this.#average(layer, tokens, stride, page, position % PAGE);
    this.#sum(layer, tokens);
  }

  /** Puts keys and each head's width of inputs into its cache, KV head by KV head. */
  #cache(layer: number, values: Rows, tokens: number, stride: number, page: number, slot: number): void {
    const { heads, kvHeads, headDim } = this.#config;
    const { f32 } = this.#backend.memory;
    const team = this.#team;
    team.barrier(); // rank 0 may still show v
    for (let more = team.deal(kvHeads); more; more = team.claim()) {
      for (let head = team.from; head < team.to; head++) {
        const v = (this.#layout.qkv >>> 2) + (heads + kvHeads + head) * headDim;
        for (const [chunk, cache] of this.#caches.entries()) {
          for (let t = 0; t < tokens; t++) {
            const x = (values.address >>> 2) + t * values.stride + chunk * headDim;
            f32.copyWithin(v + t * stride, x, x + headDim);
          }
          cache.append(layer, head, 1, 0, tokens, stride, page, slot);
        }
      }
    }
    team.barrier();
  }

  /** The averages of all queries: a unit is a head's width of channels, a KV head and up to RANGE tokens. */
  #average(layer: number, tokens: number, stride: number, page: number, slot: number): void {
    const { kvHeads, heads, headDim } = this.#config;
    const outStride = padded(heads * headDim);
    const parts = Math.ceil(tokens / RANGE);
    const team = this.#team;
    for (let more = team.deal(this.#caches.length * kvHeads * parts); more; more = team.claim()) {
      for (let unit = team.from; unit < team.to; unit++) {
        const row = (unit % parts) * RANGE;
        const head = Math.floor(unit / parts) % kvHeads;
        const chunk = Math.floor(unit / (parts * kvHeads));
        const many = Math.min(RANGE, tokens - row);
        this.#caches[chunk]!.attendRows(layer, head, row, many, stride, outStride, page, slot + row, this.#layout.attentionScratch);
        this.#gather(chunk, head, row, many, outStride);
        team.beat();
      }
    }
    team.barrier();
  }

  /** Copies the averages of one head's width of channels to their place in whole rows. */
  #gather(chunk: number, head: number, row: number, many: number, outStride: number): void {
    const { kvHeads, heads, headDim, hidden } = this.#config;
    const { f32 } = this.#backend.memory;
    const { out, averages } = this.#at.attention!;
    const group = heads / kvHeads;
    for (let t = row; t < row + many; t++) {
      for (let g = 0; g < group; g++) {
        const from = (out >>> 2) + t * outStride + (head * group + g) * headDim;
        f32.copyWithin((averages >>> 2) + ((head * PAGE + t) * group + g) * hidden + chunk * headDim, from, from + headDim);
      }
    }
  }

  #sum(layer: number, tokens: number): void {
    const { kvHeads, heads, hidden } = this.#config;
    const { memory, kernels } = this.#backend;
    const { sums, averages } = this.#at.attention!;
    const group = heads / kvHeads;
    const units = unitsOf(hidden);
    const from = memory.i32[this.#at.switches >>> 2]!;
    const team = this.#team;
    for (let more = from < tokens && team.deal(kvHeads * units); more; more = team.claim()) {
      for (let unit = team.from; unit < team.to; unit++) {
        const head = Math.floor(unit / units);
        const rows = averages + (head * PAGE + from) * group * hidden * 4;
        const sum = sums[layer]! + head * hidden * hidden * 4;
        kernels.gram(rows, hidden, (tokens - from) * group, hidden, sum, unit % units, (unit % units) + 1, this.#layout.gemmScratch);
        team.beat();
      }
    }
    team.barrier();
  }
}
