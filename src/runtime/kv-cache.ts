import type { Backend } from '../backends/backend.ts';
import { PAGE } from '../formats/descriptor.ts';
import { kvHeadBytes } from '../formats/kv-layout.ts';
import type { KvBits } from '../formats/number-format.ts';
import type { ModelConfig } from '../models/config.ts';
import { kvLayerBytes, type MemoryLayout } from './layout.ts';

/**
 * Keys and values in pages of 64 tokens. With 4 bits, page 0 (attention sinks) and the page being filled hold 8 bits per token and head; a page is
 * converted when the next one begins. What a query sees depends on positions only, so blocks of any size give the same bits.
 */
export class KvCache {
  readonly #backend: Backend;
  readonly #layout: MemoryLayout;
  readonly #config: ModelConfig;
  readonly #bits: KvBits;
  readonly #layerBytes: number;
  /** Page whose 8-bit form lies in the open slot; 0: none. */
  #open = 0;

  constructor(backend: Backend, layout: MemoryLayout, config: ModelConfig, bits: KvBits, context: number) {
    this.#backend = backend;
    this.#layout = layout;
    this.#config = config;
    this.#bits = bits;
    this.#layerBytes = kvLayerBytes(bits, context, config.kvHeads, config.headDim);
  }

  /** Address of a page of a layer in the form that the open page has. */
  #page(layer: number, page: number): number {
    const bytes = this.#config.kvHeads * kvHeadBytes(this.#bits === 4 ? 8 : this.#bits, this.#config.headDim);
    return this.#layout.kv + layer * this.#layerBytes + (this.#bits === 4 ? Math.min(page, 1) : page) * bytes;
  }

  /** Address of a closed 4-bit page (1 or later). */
  #packed(layer: number, page: number): number {
    const { kvHeads, headDim } = this.#config;
    return this.#layout.kv + layer * this.#layerBytes + 2 * kvHeads * kvHeadBytes(8, headDim) + (page - 1) * kvHeads * kvHeadBytes(4, headDim);
  }

  /** Makes `page` the one being filled; packs the page before it. */
  begin(page: number): void {
    if (this.#bits !== 4 || page === this.#open) return;
    if (this.#open > 0) {
      const { layers, kvHeads, headDim } = this.#config;
      for (let layer = 0; layer < layers; layer++) {
        this.#backend.kernels.kvClose(this.#page(layer, 1), this.#packed(layer, this.#open), kvHeads, headDim);
      }
    }
    this.#open = page;
  }

  /** Drops all from position `position` on; returns the position reached, lower where the 8-bit form is gone. */
  truncate(position: number): number {
    const page = Math.floor(position / PAGE);
    if (this.#bits !== 4 || page > this.#open || (page === this.#open && page > 0)) return position;
    this.#open = 0;
    return page === 0 ? position : page * PAGE;
  }

  /** Appends `tokens` rows of the fused q, k, v buffer at `slot` of page `page`. */
  append(layer: number, tokens: number, stride: number, page: number, slot: number): void {
    const { heads, kvHeads, headDim } = this.#config;
    const k = this.#layout.qkv + heads * headDim * 4;
    const v = k + kvHeads * headDim * 4;
    const { kernels } = this.#backend;
    if (this.#bits === 32) kernels.kvAppendF32(k, v, stride, tokens, kvHeads, headDim, this.#page(layer, page), slot);
    else kernels.kvAppendI8(k, v, stride, tokens, kvHeads, headDim, this.#page(layer, page), slot);
  }

  /** Softmax attention of `tokens` queries that start at `slot` of page `page`, over all that is cached. */
  attend(layer: number, tokens: number, stride: number, outStride: number, page: number, slot: number): void {
    const { heads, kvHeads, headDim } = this.#config;
    const { kernels } = this.#backend;
    const l = this.#layout;
    const group = heads / kvHeads;
    const scale = Math.fround(1 / Math.sqrt(headDim));
    for (let head = 0; head < kvHeads; head++) {
      const q = l.qkv + head * group * headDim * 4;
      const out = l.attention + head * group * headDim * 4;
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
    if (this.#bits === 32) {
      this.#keys = this.#page(layer, page) + head * kvHeadBytes(32, headDim);
      this.#values = this.#keys + PAGE * headDim * 4;
      return;
    }
    this.#keys = this.#layout.keys;
    this.#values = this.#layout.valueTile;
    if (this.#bits === 8 || own || page === 0) {
      kernels.kvTileI8(this.#page(layer, page) + head * kvHeadBytes(8, headDim), headDim, this.#keys, this.#values);
    } else {
      kernels.kvTileU4(this.#packed(layer, page) + head * kvHeadBytes(4, headDim), headDim, this.#keys, this.#values);
    }
  }
}
