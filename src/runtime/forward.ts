import type { Backend } from '../backends/backend.ts';
import { hadamard, transposed, type Hadamard } from '../core/hadamard.ts';
import { PAGE } from '../formats/descriptor.ts';
import { padded } from '../formats/layout.ts';
import type { ModelConfig } from '../models/config.ts';
import { BoundLinear } from './bound-linear.ts';
import { HeadTurns } from './head-turns.ts';
import { KvCache } from './kv-cache.ts';
import { gateUpStride, type LayoutOptions, type MemoryLayout, type Plan } from './layout.ts';
import { Moments } from './moments.ts';
import { fillRopeTable } from './rope-table.ts';
import type { Command, Team } from './team.ts';

/**
 * Sees the input of every linear: rows [tokens, stride] of which the first `cols` count, in the order of the producer's
 * channels. Of a quantised linear these are the numbers that its codes stand for. Besides, as `layers.N.attn.keys` and `layers.N.attn.values`, what goes
 * into the cache.
 */
export type Tap = (site: string, rows: Float32Array, tokens: number, stride: number, cols: number) => void;

/** What passes between the linears of a layer: its hidden state before attention and before the MLP, and what their inner linears read. */
export type Edge = 'hidden' | 'qkv' | 'attention' | 'middle' | 'gateUp';

/**
 * Sees, and may change, what passes between linears: rows [tokens, stride] in place, of which the first `cols` count. After the last layer comes the
 * `hidden` of a layer that is not there. With one thread only: others would not wait.
 */
export type Trace = (edge: Edge, layer: number, rows: Float32Array, tokens: number, stride: number, cols: number) => void;

interface Layer {
  readonly attentionNorm: number;
  readonly qkv: BoundLinear;
  readonly o: BoundLinear;
  readonly ffnNorm: number;
  readonly gateUp: BoundLinear;
  readonly down: BoundLinear;
}

/**
 * The one forward pass: a Llama-family decoder over bound kernels, as one rank of a team runs it. Nothing is allocated or looked up per token.
 * Rank 0 embeds the tokens and prepares the cache; then all ranks `run`, with five barriers a layer for short blocks and nine for long ones.
 */
export class Forward {
  /** By sequence. */
  readonly caches: readonly KvCache[];
  /** Set to observe inputs; see `Tap`. */
  tap: Tap | null = null;
  /** Set to observe or change what passes between linears; see `Trace`. */
  trace: Trace | null = null;
  /** Null where the layout has no place for them. */
  readonly moments: Moments | null;
  readonly #backend: Backend;
  readonly #config: ModelConfig;
  readonly #layout: MemoryLayout;
  readonly #team: Team;
  /** Number of the first layer. */
  readonly #first: number;
  readonly #layers: readonly Layer[];
  /** What stands before and after the layers; null: the plan has layers only. */
  readonly #ends: { readonly embed: BoundLinear; readonly output: BoundLinear; readonly norm: number } | null;
  readonly #turns: HeadTurns;
  /** Small factors of the Hadamard matrix that hidden states are multiplied by, and of its inverse. */
  readonly #rotation: { readonly order: number; readonly matrix: number; readonly inverse: number } | null;

  constructor(plan: Plan, backend: Backend, layout: MemoryLayout, options: Pick<LayoutOptions, 'context' | 'kv' | 'sequences'>, team: Team) {
    const { config, first = 0 } = plan;
    this.#backend = backend;
    this.#config = config;
    this.#layout = layout;
    this.#team = team;
    const bind = (name: string): BoundLinear => new BoundLinear(backend, layout, team, name, plan.linears[name]!);
    const vector = (name: string): number => layout.image + plan.vectors[name]!.offset;
    this.#first = first;
    this.#layers = Array.from({ length: config.layers }, (_, i) => {
      const at = `layers.${first + i}.`;
      return {
        attentionNorm: vector(`${at}attn.norm`),
        qkv: bind(`${at}attn.qkv`),
        o: bind(`${at}attn.o`),
        ffnNorm: vector(`${at}mlp.norm`),
        gateUp: bind(`${at}mlp.gate_up`),
        down: bind(`${at}mlp.down`),
      };
    });
    const output = plan.linears['output'] ? bind('output') : null;
    this.#ends = output && { embed: plan.linears['embed'] ? bind('embed') : output, output, norm: vector('norm') };
    this.caches = Array.from({ length: options.sequences }, (_, sequence) => new KvCache(backend, layout, plan, options.kv, options.context, sequence));
    this.#turns = new HeadTurns(backend, layout, config, options.kv);
    this.moments = layout.moments && new Moments(plan, backend, layout, layout.moments, options.context, team);
    this.#rotation = plan.rotated ? { order: hadamard(config.hidden)!.order, matrix: layout.rotations.get(config.hidden)!, inverse: layout.unrotation } : null;
    if (team.rank > 0) return;
    const place = (address: number, { matrix }: Hadamard): void => backend.memory.f32.set(matrix, address >>> 2);
    for (const [width, address] of layout.rotations) place(address, hadamard(width)!);
    if (this.#rotation) place(layout.unrotation, transposed(hadamard(config.hidden)!));
    const { headDim, rope } = config;
    fillRopeTable(backend.memory.f32.subarray(layout.rope >>> 2, (layout.rope >>> 2) + options.context * headDim), rope, headDim, options.context);
  }

  /** Brings all weights to the layout that the kernels read: rank 0, whenever they have been loaded. */
  prepare(): void {
    for (const { qkv, o, gateUp, down } of this.#layers) for (const linear of [qkv, o, gateUp, down]) linear.prepare();
    for (const linear of new Set(this.#ends ? [this.#ends.embed, this.#ends.output] : [])) linear.prepare();
  }

  /** Writes the embeddings of a block: rank 0, before all `run` it. Not for a plan of layers only. */
  embed(tokens: ArrayLike<number>): void {
    const stride = padded(this.#config.hidden) * 4;
    const { embed } = this.#ends!;
    for (let t = 0; t < tokens.length; t++) embed.lookUp(tokens[t]!, this.#layout.x + t * stride);
    const rotation = this.#rotation;
    if (rotation) this.#backend.kernels.hadamard(this.#layout.x, stride / 4, tokens.length, this.#config.hidden, rotation.order, rotation.matrix, this.#layout.gemmScratch);
  }

  /** Runs a block, which crosses no page, or a token of each of several sequences; leaves the logits of the last `rows` tokens. See `Command`. */
  run(command: Command): void {
    if (command.sequences > 0) this.#runLayers(command);
    if (command.rows > 0) this.#runOutput(command);
  }

  #runLayers({ count, sequences, rows }: Command): void {
    const { heads, kvHeads, headDim, hidden, ffn, normEps } = this.#config;
    const l = this.#layout;
    const xStride = padded(hidden);
    const qkvStride = padded((heads + 2 * kvHeads) * headDim);
    const attentionStride = padded(heads * headDim);
    const ffnStride = gateUpStride(ffn);
    for (let i = 0; i < this.#layers.length; i++) {
      const layer = this.#layers[i]!;
      this.#show('hidden', i, l.x, count, xStride, hidden);
      layer.qkv.fromNorm(l.x, xStride, count, layer.attentionNorm, normEps);
      this.#observe(layer.qkv, count);
      layer.qkv.multiply(l.qkv, qkvStride, count, 0);
      this.#show('qkv', i, l.qkv, count, qkvStride, (heads + 2 * kvHeads) * headDim);
      this.#append(i, count, sequences, qkvStride);
      this.#observeHeads(i, count, qkvStride);
      this.moments?.addAverages(i, layer.qkv, count, qkvStride, this.#position(0));
      if (sequences === 1) this.#attend(i, count, qkvStride, attentionStride);
      else this.#attendEach(i, sequences, qkvStride, attentionStride);
      this.#show('attention', i, l.attention, count, attentionStride, heads * headDim);
      layer.o.from(l.attention, attentionStride, count);
      this.#observe(layer.o, count);
      layer.o.multiply(l.x, xStride, count, 1);
      this.#show('middle', i, l.x, count, xStride, hidden);
      layer.gateUp.fromNorm(l.x, xStride, count, layer.ffnNorm, normEps);
      this.#observe(layer.gateUp, count);
      layer.gateUp.multiply(l.gateUp, ffnStride, count, 0);
      this.#show('gateUp', i, l.gateUp, count, ffnStride, 2 * ffn);
      layer.down.fromGateUp(l.gateUp, ffnStride, count);
      this.#observe(layer.down, count);
      if (rows < 0 && i === this.#layers.length - 1) return;
      layer.down.multiply(l.x, xStride, count, 1);
    }
    this.#show('hidden', this.#layers.length, l.x, count, xStride, hidden);
  }

  #runOutput({ count, rows }: Command): void {
    const { hidden, normEps, vocab } = this.#config;
    const xStride = padded(hidden);
    const { output, norm } = this.#ends!;
    const last = this.#layout.x + (count - rows) * xStride * 4;
    this.#turnBack(last, xStride, rows);
    output.fromNorm(last, xStride, rows, norm, normEps);
    this.#observe(output, rows);
    output.multiply(this.#layout.logits, padded(vocab), rows, 0);
  }

  /** Undoes the rotation of hidden states, in place. */
  #turnBack(rows: number, stride: number, count: number): void {
    const rotation = this.#rotation;
    if (!rotation) return;
    const team = this.#team;
    for (let more = team.deal(count); more; more = team.claim()) {
      this.#backend.kernels.hadamard(rows + team.from * stride * 4, stride, team.to - team.from, this.#config.hidden, rotation.order, rotation.inverse, this.#layout.gemmScratch);
    }
    team.barrier();
  }

  /** Sequence number `s` of the command. */
  #sequence(s: number): number {
    return this.#backend.memory.i32[(this.#layout.batch >>> 2) + 2 * s]!;
  }

  /** The position of its first token. */
  #position(s: number): number {
    return this.#backend.memory.i32[(this.#layout.batch >>> 2) + 2 * s + 1]!;
  }

  /** Turns of queries and keys, and keys and values into the caches, KV head by KV head. */
  #append(layer: number, count: number, sequences: number, stride: number): void {
    const { kvHeads } = this.#config;
    const team = this.#team;
    const each = count / sequences;
    for (let more = team.deal(sequences * kvHeads); more; more = team.claim()) {
      for (let unit = team.from; unit < team.to; ) {
        const s = Math.floor(unit / kvHeads);
        const head = unit % kvHeads;
        const many = Math.min(kvHeads - head, team.to - unit);
        const position = this.#position(s);
        this.#turns.turn(head, many, s * each, each, stride, position);
        this.caches[this.#sequence(s)]!.append(layer, head, many, s * each, each, stride, Math.floor(position / PAGE), position % PAGE);
        unit += many;
      }
    }
    team.barrier();
  }

  /** Attention of one sequence, unit by unit; then the parts that short blocks leave are put together. */
  #attend(layer: number, count: number, stride: number, outStride: number): void {
    const { kvHeads } = this.#config;
    const team = this.#team;
    const kv = this.caches[this.#sequence(0)]!;
    const position = this.#position(0);
    const page = Math.floor(position / PAGE);
    for (let more = team.deal(kv.units(count, page)); more; more = team.claim()) {
      for (let unit = team.from; unit < team.to; unit++) {
        kv.attend(unit, layer, count, stride, outStride, page, position % PAGE, this.#layout.attentionScratch);
        team.beat();
      }
    }
    team.barrier();
    if (!kv.merges(count, page)) {
      kv.merge(0, kvHeads, count, outStride, page); // one part a head: every rank writes the same bytes
      return;
    }
    for (let more = team.deal(kvHeads); more; more = team.claim()) kv.merge(team.from, team.to, count, outStride, page);
    team.barrier();
  }

  /** Attention of one token of each sequence: a unit is a sequence and a KV head. */
  #attendEach(layer: number, sequences: number, stride: number, outStride: number): void {
    const { kvHeads } = this.#config;
    const team = this.#team;
    for (let more = team.deal(sequences * kvHeads); more; more = team.claim()) {
      for (let unit = team.from; unit < team.to; unit++) {
        const s = Math.floor(unit / kvHeads);
        const position = this.#position(s);
        const kv = this.caches[this.#sequence(s)]!;
        kv.attendRows(layer, unit % kvHeads, s, 1, stride, outStride, Math.floor(position / PAGE), position % PAGE, this.#layout.attentionScratch);
        team.beat();
      }
    }
    team.barrier();
  }

  #observe(linear: BoundLinear, tokens: number): void {
    if (this.tap) {
      const { rows, stride } = linear.input(this.#backend.memory, tokens);
      this.tap(linear.name, rows, tokens, stride, linear.cols);
    }
    this.moments?.addInput(linear, tokens);
  }

  #observeHeads(layer: number, tokens: number, stride: number): void {
    if (!this.tap) return;
    const { heads, kvHeads, headDim } = this.#config;
    const { f32 } = this.#backend.memory;
    const keys = (this.#layout.qkv >>> 2) + heads * headDim;
    const cols = kvHeads * headDim;
    const at = `layers.${this.#first + layer}.attn.`;
    this.tap(`${at}keys`, f32.subarray(keys, keys + tokens * stride), tokens, stride, cols);
    this.tap(`${at}values`, f32.subarray(keys + cols, keys + cols + tokens * stride), tokens, stride, cols);
  }

  #show(edge: Edge, layer: number, address: number, tokens: number, stride: number, cols: number): void {
    this.trace?.(edge, layer, this.#backend.memory.f32.subarray(address >>> 2, (address >>> 2) + tokens * stride), tokens, stride, cols);
  }
}
