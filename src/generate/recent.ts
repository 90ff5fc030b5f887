/** The last `window` tokens of a text, counted. */
export class Recent {
  /** How often each token stands among them; none with 0. */
  readonly counts = new Map<number, number>();
  readonly #window: number;
  readonly #tokens: number[] = [];

  constructor(window: number) {
    this.#window = window;
  }

  push(token: number): void {
    this.#tokens.push(token);
    this.#add(token, 1);
    if (this.#tokens.length > this.#window) this.#add(this.#tokens[this.#tokens.length - 1 - this.#window]!, -1);
  }

  #add(token: number, change: number): void {
    const count = (this.counts.get(token) ?? 0) + change;
    if (count === 0) this.counts.delete(token);
    else this.counts.set(token, count);
  }
}
