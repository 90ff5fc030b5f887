/** Turns at what only one may use at a time, in the order of asking. */
export class Turns {
  readonly #most: number;
  readonly #waiting: (() => void)[] = [];
  #taken = false;

  /** `most`: how many may wait. */
  constructor(most: number) {
    this.#most = most;
  }

  /** True if the next one would wait behind as many as may. */
  get full(): boolean {
    return this.#taken && this.#waiting.length >= this.#most;
  }

  /** Resolves when it is one's turn, with what ends it. Rejects with the signal's reason, and then has left the queue. */
  async take(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#taken) await this.#wait(signal);
    this.#taken = true;
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      const next = this.#waiting.shift();
      if (next) next();
      else this.#taken = false;
    };
  }

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const called = (): void => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      const leave = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(called), 1);
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', leave, { once: true });
      this.#waiting.push(called);
    });
  }
}
