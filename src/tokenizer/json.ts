import { TetradError } from '../core/errors.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);

export function invalid(what: string, cause?: unknown): TetradError {
  return new TetradError('invalid_file', `Cannot build the tokenizer: ${what}`, cause === undefined ? undefined : { cause });
}

export function unsupported(what: string): TetradError {
  return new TetradError('unsupported_model', `Cannot build the tokenizer: ${what}`);
}
