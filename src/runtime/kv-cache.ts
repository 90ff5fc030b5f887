import type { Backend } from '../backends/backend.ts';
import { PAGE } from '../formats/descriptor.ts';
import { keptPages, kvHeadBytes, openFormat } from '../formats/kv-layout.ts';
import { KV8, type KvFormat } from '../formats/number-format.ts';
import type { ModelConfig } from '../models/config.ts';
import { kvLayerBytes, type MemoryLayout } from './layout.ts';

/**
 * Keys and values in pages of 64 tokens. With 4 bits, the page being filled holds 8 bits per token and head, and so does page 0 where the format
 * says so; any other page is packed when the next one begins. What a query sees depends on positions only, so blocks of any size give the same bits.
 */
export class KvCache {
  readonly #backend: Backend;
  readonly #layout: MemoryLayout;
  /** Address of its pages. */
  readonly #base: number;
  readonly #config: ModelConfig;
  readonly #format: KvFormat;
  /** Pages from page 0 on that are never packed. */
  readonly #kept: number;
  /** Bytes of a page in its open form and packed, and of a layer. */
  readonly #openBytes: number;
  readonly #packedBytes: number;
  readonly #layerBytes: number;
  /** The page being filled. */
  #open = 0;

  constructor(backend: Backend, layout: MemoryLayout, config: ModelConfig, format: KvFormat, context: number, sequence: number) {
    this.#base = layout.kv + sequence * layout.kvBytes;
    this.#backend = backend;
    this.#layout = layout;
    this.#config = config;
    const { kvHeads, headDim } = config;
    this.#format = format;
    this.#kept = keptPages(format);
    this.#openBytes = kvHeads * kvHeadBytes(openFormat(format), headDim);
    this.#packedBytes = kvHeads * kvHeadBytes(format, headDim);
    this.#layerBytes = kvLayerBytes(format, context, kvHeads, headDim);
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
    const format = this.#format;
    if (format.bits === 4 && page !== this.#open && this.#open >= this.#kept) {
      const { layers, kvHeads, headDim } = this.#config;
      for (let layer = 0; layer < layers; layer++) {
        const [from, to] = [this.#page(layer, this.#open), this.#packed(layer, this.#open)];
        this.#backend.kernels.kvClose(from, to, kvHeads, headDim, format.keyGroup, format.valueGroup);
      }
    }
    this.#open = page;
  }

  /** Drops all from position `position` on; returns the position reached, lower where the open form of its page is gone. */
  truncate(position: number): number {
    const page = Math.floor(position / PAGE);
    const whole = page === this.#open || page < this.#kept;
    this.#open = page;
    return whole ? position : page * PAGE;
  }

  /** Appends `tokens` rows of the fused q, k, v buffer, from row `row` on, at `slot` of page `page`. */
  append(layer: number, row: number, tokens: number, stride: number, page: number, slot: number): void {
    const { heads, kvHeads, headDim } = this.#config;
    const k = this.#layout.qkv + (row * stride + heads * headDim) * 4;
    const v = k + kvHeads * headDim * 4;
    const { kernels } = this.#backend;
    if (this.#format.bits === 32) kernels.kvAppendF32(k, v, stride, tokens, kvHeads, headDim, this.#page(layer, page), slot);
    else kernels.kvAppendI8(k, v, stride, tokens, kvHeads, headDim, this.#page(layer, page), slot);
  }

  /** Softmax attention of `tokens` queries, rows from `row` on, that start at `slot` of page `page`, over all that is cached. */
  attend(layer: number, row: number, tokens: number, stride: number, outStride: number, page: number, slot: number): void {
    const { heads, kvHeads, headDim } = this.#config;
    const { kernels } = this.#backend;
    const l = this.#layout;
    const group = heads / kvHeads;
    const scale = Math.fround(1 / Math.sqrt(headDim));
    for (let head = 0; head < kvHeads; head++) {
      const q = l.qkv + (row * stride + head * group * headDim) * 4;
      const out = l.attention + (row * outStride + head * group * headDim) * 4;
      for (let p = 0; p <= page; p++) {
        const own = p === page;
        this.#tile(layer, p, head, own);
        kernels.attentionPage(
          q, stride, out, outStride, l.attentionState, tokens, group, headDim,
          this.#keys, this.#values, own ? slot + 1 : PAGE, own ? 1 : 0, p === 0 ? 1 : 0, scale, l.attentionScratch,
        );
      }
      kernels.attentionFinish(out, outStride, l.attentionState, tokens, group, headDim);
    }
  }

  #keys = 0;
  #values = 0;

  /** Brings one head of a page to f32, or points at it where it is. */
  #tile(layer: number, page: number, head: number, own: boolean): void {
    const { headDim } = this.#config;
    const { kernels } = this.#backend;
    const format = this.#format;
    if (format.bits === 32) {
      this.#keys = this.#page(layer, page) + head * kvHeadBytes(format, headDim);
      this.#values = this.#keys + PAGE * headDim * 4;
      return;
    }
    this.#keys = this.#layout.keys;
    this.#values = this.#layout.valueTile;
    if (format.bits === 8 || own || page < this.#kept) {
      kernels.kvTileI8(this.#page(layer, page) + head * kvHeadBytes(KV8, headDim), headDim, this.#keys, this.#values);
    } else {
      const at = this.#packed(layer, page) + head * kvHeadBytes(format, headDim);
      kernels.kvTileU4(at, headDim, format.keyGroup, format.valueGroup, this.#keys, this.#values);
    }
  }
}
