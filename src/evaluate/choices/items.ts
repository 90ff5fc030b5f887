import { TetradError } from '../../core/errors.ts';
import type { Tokenizer } from '../../tokenizer/tokenizer.ts';

/** One multiple-choice question. */
export interface Item {
  readonly context: string;
  readonly choices: readonly string[];
  /** Index of the right choice. */
  readonly gold: number;
  readonly id: string;
}

/** A question in ids: each choice is what follows the context. */
export interface EncodedItem {
  readonly context: readonly number[];
  readonly choices: readonly (readonly number[])[];
  readonly id: string;
}

const FEWEST = 2;

/** What is wrong with a line, or the item. */
function itemOf(line: unknown, id: string): Item | string {
  if (typeof line !== 'object' || line === null || Array.isArray(line)) return 'it is no JSON object';
  const { query, ctx, choices, gold, label, id: own } = line as Readonly<Record<string, unknown>>;
  const context = query ?? ctx;
  if (typeof context !== 'string') return 'there is no "query" (or "ctx"), needed is a string';
  if (!Array.isArray(choices) || choices.length < FEWEST || !choices.every((choice) => typeof choice === 'string' && choice !== '')) {
    return `there are no "choices", needed is a list of ${FEWEST} or more strings that are not empty`;
  }
  const right = gold ?? label;
  const index = typeof right === 'string' && /^\d+$/.test(right) ? Number(right) : right;
  if (!(Number.isInteger(index) && (index as number) >= 0 && (index as number) < choices.length)) {
    return `"gold" (or "label") is ${JSON.stringify(right) ?? 'missing'}, needed is an index from 0 to ${choices.length - 1}`;
  }
  if (own !== undefined && typeof own !== 'string' && typeof own !== 'number') return '"id" is neither a string nor a number';
  return { context, choices: choices as string[], gold: index as number, id: own === undefined ? id : String(own) };
}

/** Questions from JSON lines; blank lines count but hold none. Throws `invalid_file` naming file and line. */
export function parseItems(name: string, text: string): Item[] {
  const items: Item[] = [];
  text.split('\n').forEach((line, i) => {
    if (line.trim() === '') return;
    const invalid = (why: string): TetradError => new TetradError('invalid_file', `Cannot read line ${i + 1} of ${name}: ${why}`);
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      throw invalid('it is not JSON');
    }
    const item = itemOf(value, String(i + 1));
    if (typeof item === 'string') throw invalid(item);
    items.push(item);
  });
  if (items.length === 0) throw new TetradError('invalid_file', `Cannot read ${name}: it has no questions, needed is one JSON object a line`);
  return items;
}

/**
 * Ids as lm-evaluation-harness makes them: the context and the context with the choice are tokenised, and the choice is what the second has after the length of
 * the first. White space at the end of the context goes to the choice; where neither side has any, one space is put between (its target_delimiter).
 * `bos` comes first where raw prompts have it, and for an empty context, which needs a token to go out from, in any case (else the first `eos`).
 */
export function encodeItem(tokenizer: Tokenizer, { context, choices, id }: Item): EncodedItem {
  const { addBos, bos, eos } = tokenizer.data;
  const stem = context.trimEnd();
  const gap = context.slice(stem.length);
  const prefix = tokenizer.encode(stem, { bos: addBos });
  const start = prefix.length > 0 ? prefix : [bos ?? eos[0]].filter((token) => token !== undefined);
  if (start.length === 0) throw new TetradError('invalid_argument', `Cannot score item ${id}: its context is empty and the model has no token to begin with, needed is a context`);
  const ids = choices.map((choice, c) => {
    const between = gap === '' && choice.trimStart() === choice ? ' ' : gap;
    const follows = tokenizer.encode(stem + between + choice, { bos: addBos }).slice(prefix.length);
    if (follows.length === 0) throw new TetradError('invalid_argument', `Cannot score item ${id}: choice ${c} adds no token to its context, needed is one or more`);
    return follows;
  });
  return { context: start, choices: ids, id };
}
