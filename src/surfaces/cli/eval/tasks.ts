import { basename } from 'node:path';
import { TetradError } from '../../../core/errors.ts';
import { encodeItem, parseItems } from '../../../evaluate/choices/items.ts';
import { accuracyOf, type Accuracy } from '../../../evaluate/choices/score.ts';
import type { ItemsJob } from '../../../evaluate/jobs.ts';
import { digestOf } from '../../adapters/evaluation/digest.ts';
import { tableHead, tableRow, type Column } from '../format.ts';
import { withProgress } from '../open.ts';
import { readText } from './inputs.ts';
import { MODEL, type Session } from './session.ts';

/** Questions of one job: enough that handing them over costs nothing, few enough that little is lost by an interruption. */
const PER_JOB = 8;

export interface TaskFigures extends Accuracy {
  readonly task: string;
}

/** Multiple-choice accuracy of each task file. */
export async function evaluateTasks(session: Session): Promise<TaskFigures[]> {
  const { flags, work } = session;
  const context = session.limit();
  const tasks = await Promise.all(flags.tasks!.map(async (path) => {
    const text = await readText(path);
    const items = parseItems(path, text).slice(0, flags.limit);
    return { task: basename(path).replace(/\.jsonl?$/, ''), key: digestOf(session.identity, context, text).slice(0, 16), items };
  }));
  const twice = tasks.find(({ task }, i) => tasks.findIndex((other) => other.task === task) < i);
  if (twice) throw new TetradError('invalid_argument', `Cannot evaluate: two task files are named ${twice.task}, must be different`);
  const scoresOf = (key: string, i: number): number[] | undefined => work.get(key, `item ${i}`) as number[] | undefined;

  const places = new Map<ItemsJob, { readonly key: string; readonly at: readonly number[] }>();
  for (const { key, items } of tasks) {
    const missing = items.flatMap((item, i) => (scoresOf(key, i) ? [] : [{ i, item: encodeItem(session.tokenizer, item) }]));
    for (let from = 0; from < missing.length; from += PER_JOB) {
      const part = missing.slice(from, from + PER_JOB);
      places.set({ kind: 'items', candidate: MODEL, items: part.map(({ item }) => item) }, { key, at: part.map(({ i }) => i) });
    }
  }
  const total = tasks.reduce((sum, { items }) => sum + items.length, 0);
  let loaded = total - [...places.values()].reduce((sum, { at }) => sum + at.length, 0);
  await withProgress(session.context, async ({ onProgress }) => {
    onProgress?.({ stage: 'questions', loaded, total });
    await session.run([...places.keys()], null, context, (job, outcome) => {
      const { key, at } = places.get(job)!;
      outcome.forEach((scores, i) => work.add(key, `item ${at[i]}`, scores));
      onProgress?.({ stage: 'questions', loaded: (loaded += at.length), total });
    });
  });
  return tasks.map(({ task, key, items }) => ({ task, ...accuracyOf(items, items.map((_, i) => scoresOf(key, i)!)) }));
}

const COLUMNS: readonly Column[] = [
  { title: 'task', width: 24, align: 'left' },
  { title: 'items', width: 6, align: 'right' },
  { title: 'acc', width: 17, align: 'right' },
  { title: 'acc_norm', width: 17, align: 'right' },
];

export function tasksTable(tasks: readonly TaskFigures[]): string {
  const share = (value: number, error: number): string => `${value.toFixed(4)} ± ${error.toFixed(4)}`;
  return tableHead(COLUMNS) + tasks.map(({ task, items, acc, accError, accNorm, accNormError }) =>
    tableRow(COLUMNS, [task, String(items), share(acc, accError), share(accNorm, accNormError)])).join('');
}
