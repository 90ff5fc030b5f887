import { TetradError } from '../core/errors.ts';
import type { TokenModel } from './token-model.ts';

/** A model together with the tokens in its cache. One user at a time. */
export class Sequence {
  readonly model: TokenModel;
  readonly #tokens: number[] = [];
  #busy = false;
  #disposed = false;

  constructor(model: TokenModel) {
    this.model = model;
  }

  /** Tokens in the cache. */
  get tokens(): readonly number[] {
    return this.#tokens;
  }

  /** Claims the sequence until `release()`. Throws `busy` or `disposed`. */
  acquire(): void {
    this.#check();
    if (this.#busy) throw new TetradError('busy', 'Cannot generate: a generation is running, needed is one at a time per model');
    this.#busy = true;
  }

  release(): void {
    this.#busy = false;
  }

  dispose(): void {
    this.#disposed = true;
  }

  /** Goes back to where the cache and `prompt` part, short of its last token, which must run again to give logits. Returns the tokens kept. */
  rewind(prompt: readonly number[]): number {
    this.#check();
    const most = Math.min(this.#tokens.length, prompt.length - 1);
    let common = 0;
    while (common < most && this.#tokens[common] === prompt[common]) common++;
    this.#tokens.length = this.model.truncate(common);
    return this.#tokens.length;
  }

  /** Runs tokens, at most `model.blockRoom()`, and adds them to the cache. */
  forward(tokens: readonly number[]): Float32Array {
    this.#check();
    const logits = this.model.forward(tokens);
    this.#tokens.push(...tokens);
    return logits;
  }

  #check(): void {
    if (this.#disposed) throw new TetradError('disposed', 'Cannot use the model: it is disposed');
  }
}
