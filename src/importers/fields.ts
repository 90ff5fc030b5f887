import { TetradError } from '../core/errors.ts';

/** Typed look-ups in a bag of untrusted values: a `config.json` or GGUF metadata. Null counts as absent. */
export class Fields {
  readonly #file: string;
  readonly #get: (key: string) => unknown;

  /** `file` names the bag in errors. */
  constructor(file: string, get: (key: string) => unknown) {
    this.#file = file;
    this.#get = get;
  }

  #value<T>(key: string, fallback: T | undefined, wanted: string, fits: (value: unknown) => value is T): T {
    const value = this.#get(key) ?? fallback;
    if (fits(value)) return value;
    const found = value === undefined ? 'missing' : String(JSON.stringify(String(value))).slice(0, 80);
    throw new TetradError('invalid_file', `Cannot read ${this.#file}: "${key}" is ${found}, needed ${wanted}`);
  }

  /** An integer from 1 to `most`. */
  integer(key: string, most: number, fallback?: number): number {
    return this.#value(key, fallback, `an integer from 1 to ${most}`, (value): value is number =>
      Number.isInteger(value) && (value as number) >= 1 && (value as number) <= most);
  }

  /** A finite number above 0. */
  positive(key: string, fallback?: number): number {
    return this.#value(key, fallback, 'a positive number', (value): value is number => typeof value === 'number' && value > 0 && value < Infinity);
  }

  flag(key: string, fallback: boolean): boolean {
    return this.#value(key, fallback, 'true or false', (value) => typeof value === 'boolean');
  }

  text(key: string, fallback?: string): string {
    return this.#value(key, fallback, 'a string', (value) => typeof value === 'string');
  }

  /** Rejects with `unsupported_model` unless `key` is absent or has this value: the only one that the decoder computes. */
  only(key: string, value: unknown): void {
    const found = this.#get(key) ?? value;
    if (found === value) return;
    const shown = typeof found === 'object' ? 'a list or an object' : JSON.stringify(String(found)).slice(0, 80);
    throw new TetradError('unsupported_model', `Cannot import the model: "${key}" of ${this.#file} is ${shown}, supported is ${String(value)}`);
  }
}
