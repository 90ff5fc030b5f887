import type { CommandContext, StricliProcess } from '@stricli/core';
import type { Engine } from './engine.ts';
import type { Terminal } from './progress.ts';

export type Input = NodeJS.ReadableStream & { readonly isTTY?: boolean | undefined };
export type Output = NodeJS.WritableStream & Terminal;

/** All that a command may touch of the process; tests give their own. Results go to stdout, everything else to stderr. */
export interface CliContext extends CommandContext {
  readonly process: StricliProcess & { readonly stdout: Output; readonly stderr: Output };
  readonly stdin: Input;
  /** Aborted by SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
  /** Milliseconds of a steady clock. */
  readonly now: () => number;
  /** Loaded by the commands that compute something, so that `--help` is quick. */
  readonly engine: () => Promise<Engine>;
}

/** All of standard input as text. */
export async function readAll(input: Input): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of input) text += typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
  return text + decoder.decode();
}

/** One JSON value on a line of its own. */
export const jsonLine = (value: unknown): string => `${JSON.stringify(value)}\n`;
