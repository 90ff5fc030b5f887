import { TetradError } from '../core/errors.ts';
import { PAGE } from '../formats/descriptor.ts';
import { padded } from '../formats/layout.ts';
import { Forward, type Tap, type Trace } from './forward.ts';
import type { Opened } from './open-plan.ts';
import { Solo, type Command } from './team.ts';

/** A part of a model that is bound to its memory. */
interface Part extends Opened {
  readonly forward: Forward;
}

/** Copies the hidden states of `count` tokens: bits, so that results do not depend on where layers lie. */
function passOn(from: Part, to: Part, count: number): void {
  const floats = count * padded(from.plan.config.hidden);
  const start = from.layout.x >>> 2;
  to.backend.memory.f32.set(from.backend.memory.f32.subarray(start, start + floats), to.layout.x >>> 2);
}

/** A model's layers in one memory, or in several that are run in turn: the first embeds the tokens, and the output layer is there as well. */
export class Parts {
  readonly #parts: readonly Part[];
  readonly #first: Part;
  /** All layers of a part and no output layer; the output layer alone. */
  readonly #inner = { count: 0, sequences: 0, rows: 0 };
  readonly #last = { count: 0, sequences: 0, rows: 0 };

  constructor(opened: readonly Opened[]) {
    this.#parts = opened.map((part) => {
      const forward = new Forward(part.plan, part.backend, part.layout, part.options, part.workers?.team ?? new Solo());
      forward.prepare();
      return { ...part, forward };
    });
    this.#first = this.#parts[0]!;
  }

  get threads(): number {
    return this.#first.workers?.team.size ?? 1;
  }

  set tap(tap: Tap | null) {
    for (const { forward } of this.#parts) forward.tap = tap;
  }

  set trace(trace: Trace | null) {
    if (trace && this.threads > 1) throw new TetradError('invalid_argument', `Cannot trace a model on ${this.threads} threads: needed is 1`);
    if (trace && this.#parts.length > 1) throw new TetradError('invalid_argument', `Cannot trace a model in ${this.#parts.length} memories: needed is 1`);
    this.#first.forward.trace = trace;
  }

  /** Says that the next tokens of number `s` of the sequences that are run come after `position` others. */
  begin(s: number, sequence: number, position: number): void {
    for (let i = 0; i < this.#parts.length; i++) {
      const { backend, layout, forward } = this.#parts[i]!;
      const { i32 } = backend.memory;
      const batch = (layout.batch >>> 2) + 2 * s;
      i32[batch] = sequence;
      i32[batch + 1] = position;
      forward.caches[sequence]!.begin(Math.floor(position / PAGE));
    }
  }

  /** Runs tokens, for which `begin` has been called: leaves the logits of the last `rows` in the first memory. */
  run(tokens: ArrayLike<number>, command: Command): void {
    const first = this.#first;
    first.forward.embed(tokens);
    if (this.#parts.length === 1) {
      lead(first, command);
      return;
    }
    const { count, sequences, rows } = command;
    Object.assign(this.#inner, { count, sequences });
    Object.assign(this.#last, { count, rows });
    for (let i = 0; i < this.#parts.length; i++) {
      if (i > 0) passOn(this.#parts[i - 1]!, this.#parts[i]!, count);
      lead(this.#parts[i]!, this.#inner);
    }
    passOn(this.#parts.at(-1)!, first, count);
    lead(first, this.#last);
  }

  /** Drops all from position n of a sequence on; returns the position reached. */
  truncate(n: number, sequence: number): number {
    let reached = n;
    for (const { forward } of this.#parts) reached = forward.caches[sequence]!.truncate(n);
    return reached;
  }

  /** Copies what the caches hold of a sequence's first `tokens` tokens to `target`, `cacheBytes` bytes. */
  save(tokens: number, target: Uint8Array, sequence: number): void {
    let at = 0;
    for (const { forward } of this.#parts) at = forward.caches[sequence]!.save(tokens, target, at);
  }

  /** Takes over what `save` gave, here or in other memories; returns the position reached. */
  restore(tokens: number, source: Uint8Array, sequence: number): number {
    let at = 0;
    for (const { forward } of this.#parts) at = forward.caches[sequence]!.restore(tokens, source, at);
    return this.#first.forward.caches[sequence]!.placed(tokens);
  }

  /** Ends the threads. */
  async dispose(): Promise<void> {
    await Promise.all(this.#parts.map(({ workers }) => workers?.dispose()));
  }
}

function lead({ workers, forward }: Part, command: Command): void {
  if (workers) workers.lead(forward, command);
  else forward.run(command);
}
