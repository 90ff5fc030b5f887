import { TetradError } from '../../core/errors.ts';

export const EXIT = { ok: 0, failure: 1, usage: 2, interrupted: 130, terminated: 143 } as const;

/** The command line itself is wrong: a value that no flag parser sees, such as a missing prompt. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Exit code of an error thrown by a command; `signal` tells an interruption from a failure. */
export function exitCodeOf(error: unknown, signal: AbortSignal): number {
  if (signal.aborted) return signal.reason === 'SIGTERM' ? EXIT.terminated : EXIT.interrupted;
  if (error instanceof UsageError) return EXIT.usage;
  return TetradError.is(error) && (error.code === 'unknown_recipe' || error.code === 'invalid_recipe') ? EXIT.usage : EXIT.failure;
}

/** One line for people. Errors that are not ours are defects, and keep their stack. */
export function messageOf(error: unknown): string {
  if (TetradError.is(error) || error instanceof UsageError) return error.message.replaceAll('\n', ' ');
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Exit code of the process for a code of the argument parser, which uses negative ones for its own. */
export function processExitCode(code: number | string | null | undefined): number {
  const value = Number(code ?? 0);
  if (value >= 0) return value;
  return value === -4 || value === -5 ? EXIT.usage : EXIT.failure; // invalid argument, unknown command
}
