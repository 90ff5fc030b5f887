import { attentionScratch, type Backend } from '../backends/backend.ts';
import { PAGE } from '../formats/descriptor.ts';
import { keptPages, kvHeadBytes, openFormat } from '../formats/kv-layout.ts';
import { isCodes, isPaged, type KvCodesFormat, type KvFormat } from '../formats/number-format.ts';
import type { ModelConfig } from '../models/config.ts';
import { CHUNK, RANGE, SPLIT, blockScratchBytes, chunksOf, partialBytes } from './attention-units.ts';
import { clearColumns, clearSlots } from './cache-bytes.ts';
import { kvLayerBytes, type MemoryLayout, type Plan } from './layout.ts';

/**
 * Keys and values in pages of 64 tokens. Where pages are packed, the page being filled holds 8 bits per token and head, and so does page 0 where the format
 * says so; any other page is packed when the next one begins. Codes stay as they were appended, and attention expands them. What a query sees depends on positions only, so blocks of any size give the same bits.
 */
export class KvCache {
  readonly #backend: Backend;
  readonly #layout: MemoryLayout;
  /** Address of its pages. */
  readonly #base: number;
  readonly #config: ModelConfig;
  readonly #format: KvFormat;
  /** Pages of the context, and how many from page 0 on are never packed. */
  readonly #pages: number;
  readonly #kept: number;
  readonly #group: number;
  readonly #scale: number;
  /** Bytes of a head of a page, and of a page, in its open form and packed; of a layer; of a block of partial results. */
  readonly #openHead: number;
  readonly #packedHead: number;
  readonly #openBytes: number;
  readonly #packedBytes: number;
  readonly #layerBytes: number;
  readonly #partialBytes: number;
  /** By layer: constants of the codes; 0: tokens have their own. */
  readonly #constants: readonly number[];
  /** The page being filled. */
  #open = 0;

  constructor(backend: Backend, layout: MemoryLayout, plan: Plan, format: KvFormat, context: number, sequence: number) {
    const { config, first = 0 } = plan;
    this.#base = layout.kv + sequence * layout.kvBytes;
    this.#backend = backend;
    this.#layout = layout;
    this.#config = config;
    const { layers, heads, kvHeads, headDim } = config;
    this.#format = format;
    this.#pages = Math.ceil(context / PAGE);
    this.#kept = keptPages(format);
    this.#group = heads / kvHeads;
    this.#scale = Math.fround(1 / Math.sqrt(headDim));
    this.#openHead = kvHeadBytes(openFormat(format), headDim);
    this.#packedHead = kvHeadBytes(format, headDim);
    this.#openBytes = kvHeads * this.#openHead;
    this.#packedBytes = kvHeads * this.#packedHead;
    this.#partialBytes = partialBytes(config, SPLIT);
    this.#layerBytes = kvLayerBytes(format, context, kvHeads, headDim);
    const fixed = isCodes(format) && format.per === 'static';
    this.#constants = Array.from({ length: layers }, (_, layer) => (fixed ? layout.image + plan.vectors[`layers.${first + layer}.attn.kv`]!.offset : 0));
  }

  /** Address of a page of a layer in its open form: a kept page, or the one being filled. */
  #page(layer: number, page: number): number {
    return this.#base + layer * this.#layerBytes + Math.min(page, this.#kept) * this.#openBytes;
  }

  /** Address of a packed page. */
  #packed(layer: number, page: number): number {
    return this.#page(layer, this.#kept) + this.#openBytes + (page - this.#kept) * this.#packedBytes;
  }

  /** Makes `page` the one being filled; packs the page before it. */
  begin(page: number): void {
    if (page !== this.#open && this.#open >= this.#kept) {
      const { layers } = this.#config;
      for (let layer = 0; layer < layers; layer++) this.#close(this.#page(layer, this.#open), this.#packed(layer, this.#open));
    }
    this.#open = page;
  }

  /** Packs a page. */
  #close(from: number, to: number): void {
    const format = this.#format;
    const { kvHeads, headDim } = this.#config;
    if (isPaged(format)) this.#backend.kernels.kvClose(from, to, kvHeads, headDim, format.keyGroup, format.valueGroup);
  }

  /** Drops all from position `position` on; returns the position reached, lower where the open form of its page is gone. */
  truncate(position: number): number {
    const page = Math.floor(position / PAGE);
    const whole = page === this.#open || page < this.#kept;
    this.#open = page;
    return whole ? position : page * PAGE;
  }

  /**
   * Copies what it holds of the first `tokens` tokens to `target` from `at` on, `cacheBytes` bytes, and returns their end: layer by layer, pages that are full as
   * they are once the next has begun, and zeros for what means nothing. So the bytes depend on the tokens alone.
   */
  save(tokens: number, target: Uint8Array, at: number): number {
    const { layers, kvHeads, headDim } = this.#config;
    const full = Math.floor(tokens / PAGE);
    for (let layer = 0; layer < layers; layer++) {
      for (let page = 0; page * PAGE < tokens; page++) {
        const packs = page < full && page >= this.#kept;
        const from = packs ? this.#closed(layer, page) : this.#page(layer, page);
        const end = at + (packs ? this.#packedBytes : this.#openBytes);
        target.set(this.#backend.memory.u8.subarray(from, from + end - at), at);
        if (packs) clearColumns(target.subarray(at, end), kvHeads, headDim);
        if (page === full) clearSlots(target.subarray(at, end), openFormat(this.#format), kvHeads, headDim, tokens % PAGE);
        at = end;
      }
    }
    return at;
  }

  /**
   * Takes over what `save` gave of `tokens` tokens, from `at` on; returns the bytes' end. The position reached is `placed(tokens)`.
   */
  restore(tokens: number, source: Uint8Array, at: number): number {
    const { layers } = this.#config;
    const full = Math.floor(tokens / PAGE);
    for (let layer = 0; layer < layers; layer++) {
      for (let page = 0; page * PAGE < tokens; page++) {
        const packed = page < full && page >= this.#kept;
        const end = at + (packed ? this.#packedBytes : this.#openBytes);
        if (page * PAGE < this.placed(tokens)) this.#backend.memory.u8.set(source.subarray(at, end), packed ? this.#packed(layer, page) : this.#page(layer, page));
        at = end;
      }
    }
    this.#open = Math.floor(this.placed(tokens) / PAGE);
    return at;
  }

  /** How many of `tokens` saved tokens it can take over: where they fill the context, its last page has no place to be packed in. */
  placed(tokens: number): number {
    const last = this.#pages - 1;
    return last >= this.#kept && tokens === this.#pages * PAGE ? last * PAGE : tokens;
  }

  /** Address of a full page in its packed form: one that is still open is packed to memory that only blocks use. */
  #closed(layer: number, page: number): number {
    if (page < this.#open) return this.#packed(layer, page);
    this.#close(this.#page(layer, page), this.#layout.qkv);
    return this.#layout.qkv;
  }

  /** Appends the parts of `many` KV heads of `tokens` rows of the fused q, k, v buffer, from row `row` on, at `slot` of page `page`. */
  append(layer: number, head: number, many: number, row: number, tokens: number, stride: number, page: number, slot: number): void {
    const { heads, kvHeads, headDim } = this.#config;
    const k = this.#layout.qkv + (row * stride + (heads + head) * headDim) * 4;
    const v = k + kvHeads * headDim * 4;
    const to = this.#page(layer, page) + head * this.#openHead;
    const { kernels } = this.#backend;
    const format = this.#format;
    if (isCodes(format)) {
      kernels.kvAppendCodes(k, v, stride, tokens, many, headDim, to, slot, format.bits, this.#constantsOf(layer, head), kvHeads * headDim);
    } else if (format.bits === 32) kernels.kvAppendF32(k, v, stride, tokens, many, headDim, to, slot);
    else kernels.kvAppendI8(k, v, stride, tokens, many, headDim, to, slot);
  }

  /** Units of attention of `tokens` queries in page `page`, in any order and on any thread; `merge` follows when all are done. */
  units(tokens: number, page: number): number {
    return this.#config.kvHeads * (tokens <= SPLIT ? chunksOf(page + 1) : Math.ceil(tokens / RANGE));
  }

  /** One unit of softmax attention of `tokens` queries that start at `slot` of page `page`. `scratch`: unitScratchBytes() of the thread's own. */
  attend(unit: number, layer: number, tokens: number, stride: number, outStride: number, page: number, slot: number, scratch: number): void {
    const { kvHeads } = this.#config;
    const head = unit % kvHeads;
    const part = Math.floor(unit / kvHeads);
    if (tokens <= SPLIT) this.#chunk(part, layer, head, 0, tokens, stride, page, slot, this.#partial(part, head), scratch);
    else this.attendRows(layer, head, part * RANGE, Math.min(RANGE, tokens - part * RANGE), stride, outStride, page, slot + part * RANGE, scratch);
  }

  /** The attention of one KV head's queries in rows [row, row + tokens), RANGE at most, over all that is cached; the first is at `slot` of page `page`. */
  attendRows(layer: number, head: number, row: number, tokens: number, stride: number, outStride: number, page: number, slot: number, scratch: number): void {
    const sums = scratch + attentionScratch(this.#config.headDim);
    const next = sums + partialBytes(this.#config, RANGE);
    this.#chunk(0, layer, head, row, tokens, stride, page, slot, sums, scratch);
    for (let chunk = 1; chunk * CHUNK <= page; chunk++) {
      this.#chunk(chunk, layer, head, row, tokens, stride, page, slot, next, scratch);
      this.#join(sums, next, tokens);
    }
    this.#finish(sums, head, row, tokens, outStride);
  }

  /** Whether `merge` adds parts up, which must happen once. */
  merges(tokens: number, page: number): boolean {
    return tokens <= SPLIT && chunksOf(page + 1) > 1;
  }

  /** Puts the parts of KV heads [from, to) together, where units left parts. */
  merge(from: number, to: number, tokens: number, outStride: number, page: number): void {
    if (tokens > SPLIT) return;
    for (let head = from; head < to; head++) {
      const sums = this.#partial(0, head);
      for (let chunk = 1; chunk * CHUNK <= page; chunk++) this.#join(sums, this.#partial(chunk, head), tokens);
      this.#finish(sums, head, 0, tokens, outStride);
    }
  }

  /** Address of a block of partial results. */
  #partial(chunk: number, head: number): number {
    return this.#layout.attentionPartials + (chunk * this.#config.kvHeads + head) * this.#partialBytes;
  }

  /** Address of the states of a block of `tokens` tokens. */
  #state(block: number, tokens: number): number {
    return block + tokens * this.#group * this.#config.headDim * 4;
  }

  #join(sums: number, next: number, tokens: number): void {
    this.#backend.kernels.attentionMerge(sums, this.#state(sums, tokens), next, this.#state(next, tokens), tokens * this.#group, this.#config.headDim);
  }

  #finish(sums: number, head: number, row: number, tokens: number, outStride: number): void {
    const { headDim } = this.#config;
    const out = this.#layout.attention + (row * outStride + head * this.#group * headDim) * 4;
    this.#backend.kernels.attentionFinish(sums, this.#state(sums, tokens), tokens, this.#group, headDim, out, outStride);
  }

  /** The queries of rows [row, row + tokens), of which the first is at `slot` of `page`, over one chunk's pages, into the block at `out`. */
  #chunk(
    chunk: number, layer: number, head: number, row: number, tokens: number, stride: number, page: number, slot: number, out: number, scratch: number,
  ): void {
    const { headDim } = this.#config;
    const format = this.#format;
    const start = chunk * CHUNK;
    const end = Math.min(start + CHUNK, page + 1);
    const q = this.#layout.qkv + (row * stride + head * this.#group * headDim) * 4;
    const state = this.#state(out, tokens);
    const visible = page * PAGE + slot + 1;
    const kept = Math.max(start, Math.min(end, this.#kept));
    const packed = Math.max(kept, Math.min(end, page));
    if (kept > start) this.#overOpen(layer, head, start, kept, q, stride, tokens, visible, out, state, 1, scratch);
    if (isPaged(format) && packed > kept) {
      const at = this.#packed(layer, kept) + head * this.#packedHead;
      this.#backend.kernels.attentionU4(
        q, stride, tokens, this.#group, headDim, this.#scale, at, packed - kept, this.#packedBytes, format.keyGroup, format.valueGroup,
        out, state, kept === start ? 1 : 0, scratch,
      );
    }
    if (page >= kept && page < end) this.#overOpen(layer, head, page, end, q, stride, tokens, visible, out, state, page === start ? 1 : 0, scratch);
  }

  /** The same over pages [from, to) in their open form, for queries of which the first sees `visible` tokens in all. */
  #overOpen(
    layer: number, head: number, from: number, to: number, q: number, stride: number, tokens: number, visible: number,
    out: number, state: number, fresh: number, scratch: number,
  ): void {
    const { kernels } = this.#backend;
    const at = this.#page(layer, from) + head * this.#openHead;
    const seen = visible - from * PAGE;
    const { headDim } = this.#config;
    const format = this.#format;
    if (isCodes(format)) {
      for (let page = from; page < to; page++) {
        this.#overCodes(format, layer, head, page, q, stride, tokens, visible, out, state, page === from ? fresh : 0, scratch);
      }
    } else if (format.bits === 32) {
      kernels.attentionF32(q, stride, tokens, this.#group, headDim, this.#scale, at, to - from, this.#openBytes, seen, out, state, fresh, scratch);
    } else {
      kernels.attentionI8(q, stride, tokens, this.#group, headDim, this.#scale, at, to - from, this.#openBytes, seen, out, state, fresh, scratch);
    }
  }

  /** The same over one page of codes. */
  #overCodes(
    format: KvCodesFormat, layer: number, head: number, page: number, q: number, stride: number, tokens: number, visible: number,
    out: number, state: number, fresh: number, scratch: number,
  ): void {
    const { kernels } = this.#backend;
    const { kvHeads, headDim } = this.#config;
    const codes = this.#page(layer, page) + head * this.#openHead;
    const seen = visible - page * PAGE;
    const table = format.rope === 'before' ? this.#layout.rope + page * PAGE * headDim * 4 : 0;
    const floats = scratch + blockScratchBytes(this.#config);
    kernels.kvExpand(codes, Math.min(PAGE, seen + tokens - 1), headDim, format.bits, this.#constantsOf(layer, head), kvHeads * headDim, table, floats);
    kernels.attentionF32(q, stride, tokens, this.#group, headDim, this.#scale, floats, 1, 0, seen, out, state, fresh, scratch);
  }

  /** Address of the constants of a layer's KV heads from `head` on; 0 where tokens have their own. */
  #constantsOf(layer: number, head: number): number {
    const constants = this.#constants[layer]!;
    return constants && constants + head * this.#config.headDim * 4;
  }
}
