import { TetradError } from '../core/errors.ts';
import { pause } from '../core/pause.ts';
import type { TokenModel } from './token-model.ts';

/** A model together with the tokens in its cache. One user at a time. */
export class Sequence {
  /** null once disposed, so that the memory behind it can be collected. */
  #model: TokenModel | null;
  readonly #tokens: number[] = [];
  #busy = false;

  constructor(model: TokenModel) {
    this.#model = model;
  }

  /** Throws `disposed`. */
  get model(): TokenModel {
    if (!this.#model) throw new TetradError('disposed', 'Cannot use the model: it is disposed');
    return this.#model;
  }

  /** Tokens in the cache. */
  get tokens(): readonly number[] {
    return this.#tokens;
  }

  /** Claims the sequence until `release()`; returns its model. Throws `busy` or `disposed`. */
  acquire(): TokenModel {
    const { model } = this;
    if (this.#busy) throw new TetradError('busy', 'Cannot generate: a generation is running, needed is one at a time per model');
    this.#busy = true;
    return model;
  }

  release(): void {
    this.#busy = false;
  }

  dispose(): void {
    this.#model = null;
  }

  /** Goes back to where the cache and `prompt` part, short of its last token, which must run again to give logits. Returns the tokens kept. */
  rewind(prompt: readonly number[]): number {
    const { model } = this;
    const most = Math.min(this.#tokens.length, prompt.length - 1);
    let common = 0;
    while (common < most && this.#tokens[common] === prompt[common]) common++;
    this.#tokens.length = model.truncate(common);
    return this.#tokens.length;
  }

  /** Brings the cache to hold all of `tokens` but the last. Other work gets a turn between blocks. */
  async hold(tokens: readonly number[]): Promise<void> {
    const last = tokens.length - 1;
    for (let at = this.rewind(tokens); at < last; at = this.#tokens.length) {
      this.forward(tokens.slice(at, Math.min(last, at + this.model.blockRoom())), 1);
      await pause();
    }
  }

  /** Puts a saved cache of `tokens` in the place of what is there. */
  restore(tokens: readonly number[], cache: Uint8Array): void {
    this.#tokens.length = 0;
    const reached = this.model.restoreCache(tokens.length, cache);
    for (let i = 0; i < reached; i++) this.#tokens.push(tokens[i]!);
  }

  /** Runs tokens, at most `model.blockRoom()`, and adds them to the cache. Returns the logits of the last `rows`. */
  forward(tokens: ArrayLike<number>, rows: number): readonly Float32Array[] {
    const logits = this.model.forwardRows(tokens, rows);
    for (let i = 0; i < tokens.length; i++) this.#tokens.push(tokens[i]!);
    return logits;
  }

  /** Drops the tokens from index n on, which lie in the last block. Nothing is left to drop once disposed. */
  drop(n: number): void {
    if (this.#model && n < this.#tokens.length) this.#tokens.length = this.#model.truncate(n);
  }
}
