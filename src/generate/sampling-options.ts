import { TetradError } from '../core/errors.ts';

/**
 * How the next token is chosen. Steps run in this order: penalties, bias, top-k, typical-p, top-p, min-p, temperature, draw.
 * Each filter takes its probabilities among the tokens that the one before has kept. Order of the filters and defaults are llama.cpp's.
 */
export interface SamplingOptions {
  /** Divides the logits before the draw; 0 takes the likeliest token (the lowest id of equals) and leaves out the filters. Default 0.8. */
  readonly temperature?: number | undefined;
  /** Keeps the k likeliest tokens (of equals, lower ids); 0: all. Default 40. */
  readonly topK?: number | undefined;
  /** Keeps the likeliest tokens until their probabilities reach p (Holtzman et al. 2020); 1: all. Default 0.95. */
  readonly topP?: number | undefined;
  /** Keeps tokens with at least this share of the likeliest one's probability (Nguyen et al. 2024); 0: all. Default 0.05. */
  readonly minP?: number | undefined;
  /** Keeps the tokens whose surprise is nearest to the entropy until their probabilities reach p (Meister et al. 2022); 1: all. Default 1. */
  readonly typicalP?: number | undefined;
  /** Divides positive logits of recent tokens and multiplies negative ones (CTRL, Keskar et al. 2019); 1: off. Default 1. */
  readonly repetitionPenalty?: number | undefined;
  /** Tokens of prompt and completion that `repetitionPenalty` looks back; 0: none. Default 64. */
  readonly repetitionWindow?: number | undefined;
  /** Taken from a token's logit for each time it stands in the completion (OpenAI). -2 to 2, default 0. */
  readonly frequencyPenalty?: number | undefined;
  /** Taken from a token's logit once if it stands in the completion (OpenAI). -2 to 2, default 0. */
  readonly presencePenalty?: number | undefined;
  /** Added to the logits of these ids; -Infinity bans one. */
  readonly logitBias?: Readonly<Record<number, number>> | undefined;
  /** 0 to 2^53 - 1. The same seed gives the same text on every engine. Default: another one each time. */
  readonly seed?: number | undefined;
}

export interface Sampling {
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly typicalP: number;
  readonly repetitionPenalty: number;
  readonly repetitionWindow: number;
  readonly frequencyPenalty: number;
  readonly presencePenalty: number;
  /** [id, bias], ids ascending. */
  readonly logitBias: readonly (readonly [number, number])[];
  readonly seed: number;
}

type Numeric = Exclude<keyof Sampling, 'logitBias' | 'seed'>;

interface Range {
  readonly fallback: number;
  readonly least: number;
  readonly most: number;
  readonly integer?: boolean;
  /** `least` itself is out. */
  readonly open?: boolean;
}

const RANGES: Readonly<Record<Numeric, Range>> = {
  temperature: { fallback: 0.8, least: 0, most: 100 },
  topK: { fallback: 40, least: 0, most: 2 ** 31 - 1, integer: true },
  topP: { fallback: 0.95, least: 0, most: 1, open: true },
  minP: { fallback: 0.05, least: 0, most: 1 },
  typicalP: { fallback: 1, least: 0, most: 1, open: true },
  repetitionPenalty: { fallback: 1, least: 0, most: 100, open: true },
  repetitionWindow: { fallback: 64, least: 0, most: 2 ** 31 - 1, integer: true },
  frequencyPenalty: { fallback: 0, least: -2, most: 2 },
  presencePenalty: { fallback: 0, least: -2, most: 2 },
};

/** Fills in defaults. Throws `invalid_argument` naming the first option out of range. */
export function resolveSampling(options: SamplingOptions, vocab: number): Sampling {
  const numbers = Object.fromEntries(
    Object.entries(RANGES).map(([name, range]) => [name, inRange(name, options[name as Numeric] ?? range.fallback, range)]),
  ) as Record<Numeric, number>;
  const seed = options.seed ?? Math.floor(Math.random() * 2 ** 32);
  inRange('seed', seed, { fallback: 0, least: 0, most: Number.MAX_SAFE_INTEGER, integer: true });
  return { ...numbers, logitBias: biases(options.logitBias, vocab), seed };
}

function inRange(name: string, value: unknown, { least, most, integer, open }: Range): number {
  if (typeof value === 'number' && value >= least && value <= most && !(open && value === least) && (!integer || Number.isInteger(value))) return value;
  const kind = integer ? 'an integer' : 'a number';
  const from = open ? `above ${least} and up to` : `from ${least} to`;
  throw new TetradError('invalid_argument', `Cannot generate: ${name} is ${show(value)}, needed is ${kind} ${from} ${most}`);
}

function biases(bias: unknown, vocab: number): [number, number][] {
  if (bias === undefined) return [];
  if (typeof bias !== 'object' || bias === null) throw new TetradError('invalid_argument', `Cannot generate: logitBias is ${show(bias)}, needed is an object`);
  return Object.entries(bias).map(([key, value]: [string, unknown]): [number, number] => {
    const id = Number(key);
    if (!Number.isInteger(id) || id < 0 || id >= vocab) {
      throw new TetradError('invalid_argument', `Cannot generate: logitBias names token ${key}, needed is an id below ${vocab}`);
    }
    if (typeof value !== 'number' || !(value < Infinity)) {
      throw new TetradError('invalid_argument', `Cannot generate: logitBias of token ${key} is ${show(value)}, needed is a number`);
    }
    return [id, value];
  }).sort(([a], [b]) => a - b);
}

const show = (value: unknown): string => (typeof value === 'string' ? JSON.stringify(value) : String(value));
