import { readFile } from 'node:fs/promises';
import { TetradError } from '../../../core/errors.ts';

/** Tokens per window, where the model takes as many. */
export const DEFAULT_CONTEXT = 2048;
/** How the base is opened. */
export const EXACT = { recipe: 'f32', kv: 32 } as const;

export async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new TetradError(cause.code === 'ENOENT' ? 'not_found' : 'io_error', `Cannot read ${path}: the system says ${cause.code}, needed is a text file`, { cause });
  });
}
