import type { Control } from './control.ts';

/** Most threads of a model. */
export const MOST_THREADS = 64;

/**
 * What the ranks are to do: run `count` tokens, of one sequence or of several, one of each, that the layout's `batch` names; then the output layer for
 * the last `rows` of them. 0 rows: it ends with the last layer; -1: before that layer's last product, when all inputs have been seen. 0 sequences: the output
 * layer alone, of hidden states that have been through all layers.
 */
export interface Command {
  readonly count: number;
  readonly sequences: number;
  readonly rows: number;
}

/**
 * Ranks that run the same program over the same memory, each on its part. Parts are dealt and claimed like this, and all ranks end with a barrier:
 *
 *     for (let more = team.deal(n); more; more = team.claim()) work(team.from, team.to);
 *     team.barrier();
 *
 * Results must not depend on who works on what.
 */
export interface Team {
  /** 0: the caller's thread. */
  readonly rank: number;
  readonly size: number;
  /** The part to work on: [from, to). */
  readonly from: number;
  readonly to: number;
  /** Deals out n things, once between two barriers: a stripe for each rank first. False: nothing is left. */
  deal(n: number): boolean;
  /** The next part, of what the stripes leave. */
  claim(): boolean;
  /** Says, in a step that takes long, that it goes on. */
  beat(): void;
  /** Returns when all ranks have come here. */
  barrier(): void;
}

/** One thread: nothing is shared, nothing is waited for. */
export class Solo implements Team {
  readonly rank = 0;
  readonly size = 1;
  readonly from = 0;
  to = 0;

  deal(n: number): boolean {
    this.to = n;
    return n > 0;
  }

  claim(): boolean {
    return false;
  }

  beat(): void {}

  barrier(): void {}
}

/** A rank of several threads. */
export class Rank implements Team {
  readonly rank: number;
  readonly size: number;
  from = 0;
  to = 0;
  readonly #control: Control;
  readonly #crowded: boolean;
  /** Things of the current deal, of which those from `#striped` on are claimed. */
  #total = 0;
  #striped = 0;

  constructor(control: Control, rank: number, size: number, crowded: boolean) {
    this.#control = control;
    this.#crowded = crowded;
    this.rank = rank;
    this.size = size;
  }

  /**
   * The last eighth is left to whoever comes first, so that a rank that was held up is not waited for. With more ranks than cores, of which some
   * always are, it is everything: 4 ranks on 2 cores decode at 67 % of 2 ranks' speed, with stripes at 61 %.
   */
  deal(n: number): boolean {
    this.#total = n;
    this.#striped = this.#crowded ? 0 : n - (n >>> 3);
    this.from = Math.floor((this.#striped * this.rank) / this.size);
    this.to = Math.floor((this.#striped * (this.rank + 1)) / this.size);
    return this.from < this.to || this.claim();
  }

  claim(): boolean {
    const rest = this.#total - this.#striped;
    if (rest === 0) return false;
    const from = this.#control.claim(rest, this.size);
    if (from === rest) return false;
    this.from = this.#striped + from;
    this.to = this.#striped + this.#control.claimed;
    return true;
  }

  beat(): void {
    this.#control.beat();
  }

  /** Only rank 0 judges whether the others still move: it may itself be held up by whoever debugs it. */
  barrier(): void {
    this.#control.barrier(this.size, this.rank === 0);
  }
}
