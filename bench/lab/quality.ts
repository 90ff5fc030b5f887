import { spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { summarise, type Divergence, type TokenFigures } from '../../src/evaluate/divergence.ts';
import { BASE, runJobs, type WindowJob } from '../../src/evaluate/jobs.ts';
import { openStored } from '../../src/evaluate/stored/read.ts';
import { digestOf } from '../../src/surfaces/adapters/evaluation/digest.ts';
import type { EvaluationSetup } from '../../src/surfaces/adapters/evaluation/setup.ts';
import { openLanes } from '../../src/surfaces/adapters/evaluation/threads.ts';
import { decodeFigures, encodeFigures, WorkFile, type FiguresRecord } from '../../src/surfaces/adapters/evaluation/work-file.ts';
import { fileSource } from '../../src/surfaces/adapters/files.ts';
import { root } from './build.ts';
import type { LabResult, Quality } from './result.ts';

/** The windows that figures are about. */
export interface Text {
  readonly file: string;
  readonly windows: readonly Int32Array[];
  readonly context: number;
  /** Of the windows' ids. */
  readonly digest: string;
}

const CLI = join(root, 'src', 'surfaces', 'cli', 'main.ts');
/** A base of more windows, 0.2 GB each, runs beside the rows instead of being stored. */
const MOST_STORED = 40;

const bytesOf = (ids: Int32Array): Uint8Array => new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength);
export const digestOfWindows = (windows: readonly Int32Array[]): string => digestOf(...windows.map(bytesOf));

/** Whether a base is there and about these windows. */
async function isBaseOf(path: string, text: Text): Promise<boolean> {
  if (!existsSync(path)) return false;
  const stored = await openStored(await fileSource(path));
  await stored.close();
  return stored.info.ids === text.digest && stored.info.windows === text.windows.length;
}

/** What rows of a model are compared with; writes the file where it is missing, by the command of the same purpose. */
export async function baseOf(source: string, path: string, text: Text): Promise<NonNullable<EvaluationSetup['base']>> {
  if (text.windows.length > MOST_STORED) return { source, recipe: 'f32', kv: 32 };
  if (!(await isBaseOf(path, text))) {
    rmSync(path, { force: true });
    const asked = ['-f', text.file, '--windows', String(text.windows.length), '--context', String(text.context)];
    const { status } = spawnSync(process.execPath, [CLI, 'eval', source, ...asked, '--save-base', path], { stdio: ['ignore', 'inherit', 'inherit'] });
    if (status !== 0) throw new Error(`Cannot store the base ${path}: exit code ${status}`);
  }
  return { file: path };
}

const quality = ({ perplexity, ratio, errors, meanKl, kl999, sameTop, rmsChange }: Divergence): Quality =>
  ({ perplexity, ratio, ratioError: errors.ratio, meanKl, kl999, sameTop, rmsChange });

/** llama-perplexity scores the predictions from position context / 2 on. */
function secondHalf({ nll, kl, sameTop, change }: TokenFigures, context: number): TokenFigures {
  const from = context >> 1;
  return { nll: nll.subarray(from), kl: kl.subarray(from), sameTop: sameTop.subarray(from), change: change.subarray(from) };
}

export interface Evaluation {
  readonly model: string;
  readonly base: NonNullable<EvaluationSetup['base']>;
  readonly text: Text;
  /** Keeps finished windows, under a key of all that they depend on. */
  readonly work: string;
  readonly key: string;
  readonly workers: number;
}

/** Figures of a container over all windows; goes on where an earlier run stopped. */
export async function evaluate({ model, base, text, work: path, key, workers }: Evaluation): Promise<LabResult['quality']> {
  const work = new WorkFile(path);
  const record = (window: number, name: string): FiguresRecord | undefined => work.get(key, `window ${window} ${name}`) as FiguresRecord | undefined;
  const jobs = text.windows.flatMap((tokens, window): WindowJob[] => (record(window, BASE) && record(window, 'model') ? [] : [{ kind: 'window', window, tokens, candidates: ['model'] }]));
  if (jobs.length > 0) {
    await using open = openLanes({ candidates: { model: { source: model } }, base, context: text.context, threads: 1 }, Math.min(workers, jobs.length));
    let done = text.windows.length - jobs.length;
    await runJobs(open.lanes, jobs, ({ window }, outcome) => {
      for (const figures of outcome) work.add(key, `window ${window} ${figures.name}`, encodeFigures(figures));
      process.stderr.write(`\r  window ${++done} of ${text.windows.length}`);
    }, new AbortController().signal);
    process.stderr.write('\n');
  }
  const figures = (name: string): TokenFigures[] => text.windows.map((_, window) => decodeFigures(record(window, name)!));
  const [own, exact] = [figures('model'), figures(BASE)];
  const halves = (all: readonly TokenFigures[]): TokenFigures[] => all.map((window) => secondHalf(window, text.context));
  const summary = (of: (all: readonly TokenFigures[]) => readonly TokenFigures[]): Quality => quality(summarise(of(exact).map(({ nll }) => nll), of(own)));
  return { whole: summary((all) => all), halves: summary(halves) };
}
