import type { Kernels, OpenBackend } from './backend.ts';

/** One kernel call: its op and its milliseconds. */
export type Call = readonly [op: string, ms: number];

type Kernel = (...args: number[]) => void;

/** The same kernels; each call is pushed on `calls`. */
export function profiled<K extends object>(kernels: K, now: () => number, calls: Call[]): K {
  const timed = Object.entries<Kernel>(kernels as Record<string, Kernel>).map(([op, kernel]) => [op, (...args: number[]): void => {
    const start = now();
    kernel(...args);
    calls.push([op, now() - start]);
  }]);
  return Object.fromEntries(timed) as K;
}

/** Times the kernels of the thread that opens a backend. A decoder binds its kernels when it is made, so nobody else pays for it. */
export class Profiler {
  readonly #now: () => number;
  readonly #calls: Call[] = [];

  constructor(now: () => number) {
    this.#now = now;
  }

  readonly wrap = (open: OpenBackend): OpenBackend => (bytes) => {
    const backend = open(bytes);
    return { ...backend, kernels: profiled<Kernels>(backend.kernels, this.#now, this.#calls) };
  };

  /** The calls since the last time, in order. */
  take(): Call[] {
    return this.#calls.splice(0);
  }

  /** Milliseconds that timing adds to a call, measured on a call that does nothing. */
  overhead(): number {
    const kernels = profiled({ nothing: (): void => {} }, this.#now, []);
    let best = Infinity;
    for (let round = 0; round < 5; round++) {
      const start = this.#now();
      for (let i = 0; i < OVERHEAD_CALLS; i++) kernels.nothing();
      best = Math.min(best, (this.#now() - start) / OVERHEAD_CALLS);
    }
    return best;
  }
}

const OVERHEAD_CALLS = 2000;
