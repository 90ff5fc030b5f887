import { pause } from '../core/pause.ts';
import type { ModelImage } from '../models/image.ts';
import { createLayerStack, type Counts, type LayerStack, type OpenBackend, type StackOptions } from '../runtime/stack.ts';

export interface RunOptions {
  /** Which tokens of a sequence moments count; default: none. */
  readonly counts?: ((sequence: number) => Counts) | undefined;
  /** f32 as the states: of the same tokens, to compare inputs with. Become what the layer makes of them. */
  readonly twins?: Float32Array | undefined;
  /** Hears of each sequence that is done. */
  readonly onTokens?: ((tokens: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Runs one layer after another over all sequences, in the same memory as long as their layouts are the same. */
export class LayerRunner implements AsyncDisposable {
  readonly #open: OpenBackend;
  readonly #options: StackOptions;
  #stack: LayerStack | null = null;

  constructor(open: OpenBackend, options: StackOptions) {
    this.#open = open;
    this.#options = options;
  }

  /** Puts a layer into memory. */
  async load(image: ModelImage, signal?: AbortSignal): Promise<LayerStack> {
    const stack = this.#stack;
    if (stack?.fits(image.manifest)) {
      await stack.refill(image, { signal });
      return stack;
    }
    await this.dispose();
    return (this.#stack = await createLayerStack(image, this.#open, { ...this.#options, signal }));
  }

  /** Runs the layer over states f32 [tokens, hidden], sequences of these lengths one after the other. `out` as in `LayerStack.run`. */
  async run(states: Float32Array, lengths: readonly number[], out: Float32Array | null, { counts, twins, onTokens, signal }: RunOptions = {}): Promise<void> {
    const stack = this.#stack!;
    const { hidden } = stack.manifest.config;
    let at = 0;
    for (const [sequence, length] of lengths.entries()) {
      const to = at + length * hidden;
      stack.reset();
      const own = twins?.subarray(at, to);
      stack.run(states.subarray(at, to), out && out.subarray(at, to), counts?.(sequence) ?? null, own ? { rows: own, out: own } : null);
      at = to;
      onTokens?.(length);
      await pause();
      signal?.throwIfAborted();
    }
  }

  async dispose(): Promise<void> {
    await this.#stack?.dispose();
    this.#stack = null;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
