import type { Backend } from '../backends/backend.ts';
import { hadamard } from '../core/hadamard.ts';
import { isCodes, type KvFormat } from '../formats/number-format.ts';
import type { ModelConfig } from '../models/config.ts';
import type { MemoryLayout } from './layout.ts';

/**
 * What queries and keys go through between their linear and the cache, in place: RoPE, unless keys are cached before it, and where the cache's format says
 * so the orthonormal Hadamard matrix of a head, which spreads outliers over its channels and leaves the products of queries and keys as they are.
 */
export class HeadTurns {
  readonly #backend: Backend;
  readonly #layout: MemoryLayout;
  readonly #config: ModelConfig;
  /** Whether keys are turned here. */
  readonly #keys: boolean;
  /** Order and address of the small factor of a head's matrix; null: heads are not rotated. */
  readonly #rotation: { readonly order: number; readonly matrix: number } | null;

  constructor(backend: Backend, layout: MemoryLayout, config: ModelConfig, format: KvFormat) {
    this.#backend = backend;
    this.#layout = layout;
    this.#config = config;
    this.#keys = !isCodes(format) || format.rope === 'after';
    const { headDim } = config;
    const rotates = isCodes(format) && format.rotate;
    this.#rotation = rotates ? { order: hadamard(headDim)!.order, matrix: layout.rotations.get(headDim)! } : null;
  }

  /** The queries and keys of `many` KV heads in `tokens` rows of the fused q, k, v buffer, from row `row` on, whose first token is at `position`. */
  turn(head: number, many: number, row: number, tokens: number, stride: number, position: number): void {
    const { heads, kvHeads } = this.#config;
    const group = heads / kvHeads;
    this.#turn(head * group, many * group, row, tokens, stride, position);
    if (this.#keys) this.#turn(heads + head, many, row, tokens, stride, position);
  }

  #turn(head: number, many: number, row: number, tokens: number, stride: number, position: number): void {
    const { headDim } = this.#config;
    const { kernels } = this.#backend;
    const at = this.#layout.qkv + (row * stride + head * headDim) * 4;
    kernels.rope(at, stride, tokens, many, headDim, this.#layout.rope + position * headDim * 4);
    if (!this.#rotation) return;
    const { order, matrix } = this.#rotation;
    for (let h = 0; h < many; h++) kernels.hadamard(at + h * headDim * 4, stride, tokens, headDim, order, matrix, this.#layout.attentionScratch);
  }
}
