import type { CliContext } from './context.ts';

/** Threads that this version can use. */
const MOST_THREADS = 1;

/** The thread counts that can be had of those asked for; a count that is cut down is said on stderr, once. */
export function usableThreads({ process }: CliContext, asked: readonly number[]): number[] {
  const over = asked.filter((threads) => threads > MOST_THREADS);
  if (over.length > 0) process.stderr.write(`Note: this version runs on ${MOST_THREADS} thread, not on ${over.join(' or ')}\n`);
  return [...new Set(asked.map((threads) => Math.min(threads, MOST_THREADS)))];
}

/** The same for one `--threads` flag. */
export const threadsOf = (context: CliContext, { threads = 'auto' }: { readonly threads?: number | 'auto' | undefined }): number | 'auto' =>
  threads === 'auto' ? 'auto' : usableThreads(context, [threads])[0]!;
