import { existsSync } from 'node:fs';
import { TetradError } from '../../core/errors.ts';
import { UsageError } from './exit.ts';

/** What `run [MODEL] [PROMPT]` was given: null model means the embedded one, null prompt means standard input. */
export interface RunTarget {
  readonly model: string | null;
  readonly prompt: string | null;
}

/** True for `./x`, `/x`, `~/x`, `x/` and names of model files, whether or not they exist. */
const looksLikePath = (text: string): boolean => /^(?:\.{1,2}|~)?[\\/]|[\\/]$|\.(?:gguf|safetensors|json)$/i.test(text) && !text.includes('\n');

/** True for names of models elsewhere, which have no blanks. */
const looksRemote = (text: string): boolean => /^(?:hf:|https?:\/\/|file:\/\/)\S+$/i.test(text);

/** A lone argument is a model if it exists or is written like a path or an address, and else the prompt. */
export function runTarget(first: string | undefined, second: string | undefined, exists: (path: string) => boolean = existsSync): RunTarget {
  if (first === undefined) return { model: null, prompt: null };
  if (second !== undefined) return { model: first, prompt: second };
  return exists(first) || looksLikePath(first) || looksRemote(first) ? { model: first, prompt: null } : { model: null, prompt: first };
}

/** The prompt, or all of standard input where that is piped. One line end at the end of the input does not count. Throws `empty_prompt`. */
export async function promptFrom(given: string | null, input: { readonly isTTY?: boolean | undefined }, read: () => Promise<string>): Promise<string> {
  if (given === null && input.isTTY) throw new UsageError('there is no prompt: give it as an argument or on standard input');
  const prompt = given ?? (await read()).replace(/\r?\n$/, '');
  if (prompt === '') throw new TetradError('empty_prompt', 'Cannot generate: the prompt has no tokens, needed is one or more');
  return prompt;
}
