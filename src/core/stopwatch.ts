/** Where time went, in seconds by step. */
export type Timings = Readonly<Record<string, number>>;

/** Adds up the time that steps take. */
export class Stopwatch {
  readonly #now: () => number;
  readonly #seconds: Record<string, number> = {};

  /** `now`: milliseconds on a steady clock. */
  constructor(now: () => number) {
    this.#now = now;
  }

  get timings(): Timings {
    return this.#seconds;
  }

  async time<T>(step: string, work: () => T | Promise<T>): Promise<T> {
    const start = this.#now();
    try {
      return await work();
    } finally {
      this.#seconds[step] = (this.#seconds[step] ?? 0) + (this.#now() - start) / 1000;
    }
  }
}
