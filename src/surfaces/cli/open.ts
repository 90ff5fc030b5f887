import type { CopyOptions } from '../../models/image.ts';
import type { CliContext } from './context.ts';
import { ProgressBar } from './progress.ts';

/** Runs slow work with a progress bar on stderr, and leaves the bar's line whatever happens. */
export async function withProgress<T>({ process, now, signal }: CliContext, work: (options: Required<CopyOptions>) => Promise<T>): Promise<T> {
  const bar = new ProgressBar(process.stderr, now);
  try {
    return await work({ signal, onProgress: bar.update });
  } finally {
    bar.finish();
  }
}
