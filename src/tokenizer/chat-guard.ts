import { TetradError } from '../core/errors.ts';

/**
 * Keeps the control tokens of a chat template apart from the same text in messages. Wherever a message could spell a control token, a
 * private-use character that occurs nowhere in the conversation is put in, and taken out again after the template's own tokens are parsed.
 * Messages that spell none, nearly all, reach the template unchanged, so that its tests on content (`startswith`, `split`, `trim`) hold.
 */
export class Guard {
  readonly #specials: readonly string[];
  readonly #starts: ReadonlySet<string>;
  readonly #mark: string;

  /** `inputs`: everything that reaches the template. */
  constructor(specials: readonly string[], inputs: unknown) {
    this.#specials = specials;
    this.#starts = new Set(specials.map((token) => token[0]!));
    this.#mark = unusedCharacter(inputs);
  }

  /** Every string inside `value` with the mark where needed. */
  protect<T>(value: T): T;
  protect(value: unknown): unknown {
    if (typeof value === 'string') return this.#protectText(value);
    if (Array.isArray(value)) return value.map((item: unknown) => this.protect(item));
    if (!isPlain(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, this.protect(item)]));
  }

  restore(text: string): string {
    return text.replaceAll(this.#mark, '');
  }

  #protectText(text: string): string {
    // A template may trim a message and go on with its own text: ends are guarded inside the white space.
    const core = text.trim();
    if (core === '') return text;
    const from = text.indexOf(core);
    let guarded = this.#opensSpecial(core) ? this.#mark : '';
    for (let i = 0; i < core.length; i++) {
      guarded += core[i]!;
      if (this.#starts.has(core[i]!) && this.#specials.some((token) => core.startsWith(token, i) || token.startsWith(core.slice(i)))) guarded += this.#mark;
    }
    return text.slice(0, from) + guarded + text.slice(from + core.length);
  }

  /** The text could be the rest of a token whose beginning stands before it. */
  #opensSpecial(core: string): boolean {
    return this.#specials.some((token) => {
      for (let cut = 1; cut < token.length; cut++) if (core.startsWith(token.slice(cut))) return true;
      return false;
    });
  }
}

const isPlain = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && [Object.prototype, null].includes(Object.getPrototypeOf(value) as object | null);

function unusedCharacter(inputs: unknown): string {
  const text = jsonOf(inputs);
  for (let code = 0xe000; code < 0xf900; code++) {
    const char = String.fromCharCode(code);
    if (!text.includes(char)) return char;
  }
  throw new TetradError('invalid_argument', 'Cannot render the conversation: it uses all 6400 private-use characters, needed is one that it does not');
}

function jsonOf(inputs: unknown): string {
  try {
    return JSON.stringify(inputs);
  } catch (cause) {
    throw new TetradError('invalid_argument', 'Cannot render the conversation: it holds something that JSON cannot write', { cause });
  }
}
