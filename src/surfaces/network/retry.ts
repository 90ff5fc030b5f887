import type { TetradError } from '../../core/errors.ts';
import type { Network } from './network.ts';

/** A failure that another attempt may mend. */
export class Temporary extends Error {
  override readonly name = 'Temporary';
  /** What to throw when there is no further attempt. */
  readonly error: TetradError;
  /** Milliseconds that the server asks to wait, or null. */
  readonly after: number | null;

  constructor(error: TetradError, after: number | null = null) {
    super(error.message);
    this.error = error;
    this.after = after;
  }
}

const FIRST_MS = 500;
const MOST_MS = 30_000;
/** A server that asks for more is not waited for. */
const MOST_ASKED_MS = 120_000;

/** 0.5 s, 1 s, 2 s, ... */
const backoff = (failures: number): number => Math.min(MOST_MS, FIRST_MS * 2 ** (failures - 1));

/** `Retry-After` in milliseconds: seconds, or a date; null if there is none. */
export function retryAfter(header: string | null, now: number): number | null {
  if (header === null) return null;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isFinite(ms) ? Math.max(0, ms) : null;
}

/** Attempts until one succeeds, or as many as the network allows have failed since the last progress. Anything but `Temporary` ends it at once. */
export async function retrying<T>(net: Network, signal: AbortSignal | undefined, attempt: (progress: () => void) => Promise<T>): Promise<T> {
  for (let failures = 0; ; ) {
    signal?.throwIfAborted();
    try {
      return await attempt(() => (failures = 0));
    } catch (error) {
      if (!(error instanceof Temporary)) throw error;
      failures++;
      if (failures >= net.tries || (error.after ?? 0) > MOST_ASKED_MS) throw error.error;
      await net.sleep(Math.max(backoff(failures), error.after ?? 0), signal);
    }
  }
}
