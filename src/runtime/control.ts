import { TetradError } from '../core/errors.ts';

/** Words of the control block that all ranks share. Each that many ranks touch has a cache line (16 words) of its own. */
const GENERATION = 0;
const ARRIVED = 16;
const CLAIMED = 32;
const BEAT = 48;
const SLEEPING = 64;
const COMMAND = 80;
const ARGUMENTS = 81;
const FAULT = 96;
const TEXT = 112;
const TEXT_BYTES = 512;

/** Tells the core that this is a wait loop, for some 40 ns; newer engines have it. */
const relax = (Atomics as { pause?: () => void }).pause;
/**
 * Looks at a word before a rank goes to sleep: some 20 µs, about what waking it takes. More gain nothing on idle cores, and cost up to half the speed
 * where other programs run: a rank that sleeps is scheduled again before one that has used up its share with waiting.
 */
const SPINS = relax ? 400 : 2000;
/** The same with more ranks than cores: whoever spins is in the way of those waited for. */
const CROWDED_SPINS = SPINS / 4;
/** A rank that waits for others looks about this often for a fault, and gives up where nothing has moved for that many looks: some 10 s. */
const LOOK_MS = 100;
const PATIENCE = 100;

export interface ControlOptions {
  /** There are as many cores as ranks. */
  readonly spin: boolean;
  /** `Atomics.wait` is allowed: everywhere but on a browser's main thread. */
  readonly mayBlock: boolean;
  /** Milliseconds on a steady clock. */
  readonly now: () => number;
}

/** The words through which the ranks of a team meet: CONTROL_BYTES bytes, zero at the start. */
export class Control {
  readonly #words: Int32Array;
  readonly #spins: number;
  readonly #mayBlock: boolean;
  readonly #now: () => number;
  /** End of the part that `claim` took last. */
  claimed = 0;

  constructor(block: SharedArrayBuffer, { spin, mayBlock, now }: ControlOptions) {
    this.#words = new Int32Array(block);
    this.#spins = spin ? SPINS : CROWDED_SPINS;
    this.#mayBlock = mayBlock;
    this.#now = now;
  }

  /**
   * Returns when `size` ranks have called it. `watch`: give up where the others stop moving.
   * The last to arrive clears the claims, wakes who sleeps, and all go on.
   */
  barrier(size: number, watch: boolean): void {
    const words = this.#words;
    const generation = Atomics.load(words, GENERATION);
    // A fault is set before the generation moves on because of it: seen here, or by the wait below.
    this.check();
    if (Atomics.add(words, ARRIVED, 1) === size - 1) {
      Atomics.store(words, ARRIVED, 0);
      Atomics.store(words, CLAIMED, 0);
      Atomics.add(words, GENERATION, 1);
      if (Atomics.load(words, SLEEPING) > 0) Atomics.notify(words, GENERATION);
    } else {
      this.#meet(generation, watch);
      this.check();
    }
  }

  #meet(generation: number, watch: boolean): void {
    const words = this.#words;
    if (this.#changed(GENERATION, generation)) return;
    let moved = this.#movement();
    for (let looks = 0; Atomics.load(words, GENERATION) === generation; looks++) {
      this.#sleep(GENERATION, generation);
      const now = this.#movement();
      if (now !== moved) [moved, looks] = [now, 0];
      if (watch && looks >= PATIENCE) this.raise(`a thread did not move for ${(PATIENCE * LOOK_MS) / 1000} s`);
    }
  }

  /** Some value that changes whenever a rank gets on. */
  #movement(): number {
    const words = this.#words;
    return (Atomics.load(words, ARRIVED) << 24) ^ (Atomics.load(words, CLAIMED) << 8) ^ Atomics.load(words, BEAT);
  }

  /** Looks at a word for a short time; true as soon as it is no longer `value`. */
  #changed(index: number, value: number): boolean {
    for (let i = 0; i < this.#spins; i++) {
      if (Atomics.load(this.#words, index) !== value) return true;
      relax?.();
    }
    return false;
  }

  /** Waits about LOOK_MS for a word to change. */
  #sleep(index: number, value: number): void {
    const words = this.#words;
    if (this.#mayBlock) {
      Atomics.add(words, SLEEPING, 1);
      Atomics.wait(words, index, value, LOOK_MS);
      Atomics.sub(words, SLEEPING, 1);
    } else {
      for (const start = this.#now(); this.#now() - start < LOOK_MS; ) if (this.#changed(index, value)) return;
    }
  }

  /** Takes the next part of [0, total): smaller ones as the end comes near. The part's start, or `total` if there is none; `claimed` is its end. */
  claim(total: number, size: number): number {
    const words = this.#words;
    for (;;) {
      const from = Atomics.load(words, CLAIMED);
      if (from >= total) return total;
      const part = Math.max(1, Math.floor((total - from) / (2 * size)));
      if (Atomics.compareExchange(words, CLAIMED, from, from + part) !== from) continue;
      this.claimed = from + part;
      return from;
    }
  }

  /** Says that this rank is alive in the middle of a long step. */
  beat(): void {
    Atomics.add(this.#words, BEAT, 1);
  }

  /** Gives all other ranks a command. */
  command(a: number, b: number, c: number): void {
    const words = this.#words;
    this.check();
    words[ARGUMENTS] = a;
    words[ARGUMENTS + 1] = b;
    words[ARGUMENTS + 2] = c;
    Atomics.add(words, COMMAND, 1);
    Atomics.notify(words, COMMAND);
  }

  /** Waits, for however long, until command number `last` + 1 has been given. */
  awaitCommand(last: number): void {
    if (!this.#changed(COMMAND, last)) while (Atomics.load(this.#words, COMMAND) === last) Atomics.wait(this.#words, COMMAND, last);
    this.check();
  }

  argument(index: number): number {
    return this.#words[ARGUMENTS + index]!;
  }

  /** Makes every call of every rank fail from now on; the first reason stays. */
  raise(reason: string): void {
    const words = this.#words;
    if (Atomics.load(words, FAULT) !== 0) return;
    const { written } = new TextEncoder().encodeInto(reason, SCRATCH);
    new Uint8Array(words.buffer, TEXT * 4, TEXT_BYTES).set(SCRATCH);
    Atomics.store(words, FAULT, written);
    for (const index of [GENERATION, COMMAND]) {
      Atomics.add(words, index, 1);
      Atomics.notify(words, index);
    }
  }

  /** Throws if a rank has failed. */
  check(): void {
    const length = Atomics.load(this.#words, FAULT);
    if (length === 0) return;
    const text = new Uint8Array(this.#words.buffer, TEXT * 4, length).slice();
    throw new TetradError('worker_failed', `Cannot go on with this model: ${new TextDecoder().decode(text)}; it must be loaded again`);
  }
}

const SCRATCH = new Uint8Array(TEXT_BYTES);

export const CONTROL_BYTES = TEXT * 4 + TEXT_BYTES;
