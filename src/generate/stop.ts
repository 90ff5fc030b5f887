import { TetradError } from '../core/errors.ts';

/**
 * Finds stop strings in streamed text, however it is cut. The text ends before the stop string that is complete first (of several
 * complete at once, the longest). Only text that could still become one is held back.
 */
export class StopMatcher {
  readonly #stops: readonly string[];
  #held = '';
  #stopped = false;

  /** Throws `invalid_argument` for an empty stop string. */
  constructor(stop: string | readonly string[] = []) {
    this.#stops = typeof stop === 'string' ? [stop] : stop;
    if (!Array.isArray(this.#stops) || !this.#stops.every((item: unknown) => typeof item === 'string' && item !== '')) {
      throw new TetradError('invalid_argument', 'Cannot generate: stop holds something else, needed are non-empty strings');
    }
  }

  /** A stop string has been seen: nothing more will come. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** The text that is certain now, perhaps none. */
  push(text: string): string {
    if (this.#stopped) return '';
    const pending = this.#held + text;
    let end = Infinity;
    let start = 0;
    for (const stop of this.#stops) {
      const at = pending.indexOf(stop);
      if (at < 0 || at + stop.length > end || (at + stop.length === end && at > start)) continue;
      end = at + stop.length;
      start = at;
    }
    this.#stopped = end < Infinity;
    const certain = this.#stopped ? start : pending.length - this.#couldStop(pending);
    this.#held = this.#stopped ? '' : pending.slice(certain);
    return pending.slice(0, certain);
  }

  /** What is held back, once no more text comes. */
  end(): string {
    const rest = this.#held;
    this.#held = '';
    return rest;
  }

  /** Length of the longest end of the text that begins a stop string. */
  #couldStop(text: string): number {
    let longest = 0;
    for (const stop of this.#stops) {
      for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
        if (text.endsWith(stop.slice(0, length))) longest = length;
      }
    }
    return longest;
  }
}
