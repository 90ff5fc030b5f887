import { perplexityOf, splitWindows } from '../../../evaluate/windows.ts';
import type { StoreJob } from '../../../evaluate/jobs.ts';
import { BaseFile } from '../../adapters/evaluation/base-file.ts';
import { digestOf } from '../../adapters/evaluation/digest.ts';
import { bytes } from '../format.ts';
import { withProgress } from '../open.ts';
import { idBytes } from './text.ts';
import { MODEL, type Session } from './session.ts';

export interface StoredFigures {
  readonly file: string;
  readonly bytes: number;
  readonly windows: number;
  readonly context: number;
  /** Of the windows of this run; null where all were there. */
  readonly perplexity: number | null;
}

/** Writes the model's log-probabilities of the text to a file. */
export async function storeBase(session: Session): Promise<StoredFigures> {
  const { flags, description: { config, provenance }, spec } = session;
  const path = flags.saveBase!;
  const ids = await session.ids();
  const context = session.limit();
  const windows = splitWindows(ids, [config], { context, windows: flags.windows });
  const { source, format, license } = provenance;
  const info = {
    vocab: config.vocab, context, windows: windows.length, top: Math.min(flags.baseTop ?? 0, config.vocab),
    ids: digestOf(idBytes(ids.slice(0, windows.length * context))),
    model: { name: session.name, source, format, license, recipe: spec.recipe, kv: spec.kv, identity: session.identity },
  };
  const file = await BaseFile.open(path, info);
  const total = windows.length;
  const nll: number[] = [];
  try {
    session.onNote(`Writing ${bytes(file.layout.bytes)} to ${path}`);
    const jobs = windows.flatMap((tokens, window): StoreJob[] => (file.sums[window] === 0 ? [{ kind: 'store', candidate: MODEL, window, tokens, file: file.partial }] : []));
    await withProgress(session.context, async ({ onProgress }) => {
      let loaded = total - jobs.length;
      onProgress?.({ stage: 'windows', loaded, total });
      const finished: Promise<void>[] = [];
      await session.run(jobs, null, context, ({ window }, outcome) => {
        nll.push(outcome.nll);
        finished.push(file.finish(window, outcome.sum));
        onProgress?.({ stage: 'windows', loaded: ++loaded, total });
      }).finally(() => Promise.all(finished));
    });
  } catch (error) {
    await file.close();
    throw error;
  }
  await file.commit();
  return { file: path, bytes: file.layout.bytes, windows: total, context, perplexity: nll.length > 0 ? perplexityOf(nll) : null };
}

export function storedLine({ file, bytes: size, windows, context, perplexity }: StoredFigures): string {
  return `Wrote ${file}: ${bytes(size)}, ${windows} windows of ${context} tokens${perplexity === null ? '' : `, PPL = ${perplexity.toFixed(4)}`}\n`;
}
