/** Weight of a new measurement. */
const RATE = 0.25;

/** What a pass of n tokens costs beside one of a single token where nothing has been measured: weights are read once, the products are not. */
const ASSUMED_STEP = 0.2;

/** Running estimates of how long passes of several tokens take, beside passes of one. */
export class PassCosts {
  /** By tokens, milliseconds; 0: never measured. */
  readonly #ms: Float64Array;
  /** The clock has been seen to move: on some platforms it stands still while code runs. */
  #moves = false;

  constructor(mostTokens: number) {
    this.#ms = new Float64Array(mostTokens + 1);
  }

  record(tokens: number, ms: number): void {
    this.#moves ||= ms > 0;
    if (!this.#moves) return;
    const known = this.#ms[tokens]!;
    // A pause of the process counts as a pass of twice the usual length.
    this.#ms[tokens] = known === 0 ? ms : known + RATE * (Math.min(ms, 2 * known) - known);
  }

  /** Cost in passes of one token, as far as it is measured. */
  measured(tokens: number): number {
    const [one, several] = [this.#ms[1]!, this.#ms[tokens]!];
    return one > 0 && several > 0 ? several / one : this.assumed(tokens);
  }

  /** Cost in passes of one token before anything is measured. */
  assumed(tokens: number): number {
    return 1 + ASSUMED_STEP * (tokens - 1);
  }
}
