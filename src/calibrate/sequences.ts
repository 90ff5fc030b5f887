import { TetradError } from '../core/errors.ts';
import { Random } from '../core/random.ts';

/** Fewest tokens that statistics are taken from. */
export const LEAST_TOKENS = 256;
/** Fewest tokens of a sequence that the end of a text leaves. */
const LEAST_REST = 64;
/** Largest share of characters that stand for bytes which are no text. */
const MOST_REPLACED = 0.01;

export interface SequenceOptions {
  readonly sequences: number;
  /** Tokens of each. */
  readonly length: number;
  /** An integer from 0 to 2^53 - 1. */
  readonly seed: number;
}

export interface Sequences {
  /** Token ids. Fewer than asked for, and the last one shorter, where the text is short. */
  readonly sequences: readonly (readonly number[])[];
  /** In all. */
  readonly tokens: number;
}

/** Throws `invalid_argument` where a calibration text is empty or no text. `name` is for people. */
export function checkText(text: string, name: string): void {
  const fail = (found: string): never => {
    throw new TetradError('invalid_argument', `Cannot calibrate with ${name}: ${found}, needed is text in UTF-8`);
  };
  if (text.trim() === '') fail('it is empty');
  if (text.includes('\0')) fail('it has NUL characters');
  let replaced = 0;
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) === 0xfffd) replaced++;
  if (replaced > MOST_REPLACED * text.length) fail(`${replaced} of its ${text.length} characters are no text`);
}

/**
 * Sequences of a text to calibrate with: random pieces that do not overlap, in the text's order, the same for the same seed; of a text that is too short
 * for as many, all of it, piece by piece. Throws `invalid_argument` where it is shorter than LEAST_TOKENS.
 */
export function sequencesOf(ids: readonly number[], { sequences, length, seed }: SequenceOptions): Sequences {
  if (!(Number.isInteger(sequences) && sequences >= 1 && Number.isInteger(length) && length >= 1)) {
    throw new TetradError('invalid_argument', `Cannot calibrate with ${sequences} sequences of ${length} tokens: needed are 1 or more of each`);
  }
  const least = Math.min(LEAST_TOKENS, sequences * length);
  if (ids.length < least) throw new TetradError('invalid_argument', `Cannot calibrate: the text has ${ids.length} tokens, needed are at least ${least}`);
  const free = ids.length - sequences * length;
  const pieces = free >= 0 ? randomPieces(ids, sequences, length, Random.seeded(seed), free) : allPieces(ids, length);
  return { sequences: pieces, tokens: pieces.reduce((sum, piece) => sum + piece.length, 0) };
}

/** `free`: tokens that lie between, before and after the pieces; each way to share them out is as likely as its drawing of places in them. */
function randomPieces(ids: readonly number[], sequences: number, length: number, random: Random, free: number): number[][] {
  const gaps = Array.from({ length: sequences }, () => Math.floor(random.next() * (free + 1))).sort((a, b) => a - b);
  return gaps.map((gap, i) => ids.slice(gap + i * length, gap + (i + 1) * length));
}

function allPieces(ids: readonly number[], length: number): number[][] {
  const pieces = Array.from({ length: Math.ceil(ids.length / length) }, (_, i) => ids.slice(i * length, (i + 1) * length));
  const rest = pieces.at(-1)!.length;
  return rest < Math.min(LEAST_REST, length) && pieces.length > 1 ? pieces.slice(0, -1) : pieces;
}
