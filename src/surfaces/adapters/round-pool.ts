import { Worker } from 'node:worker_threads';
import { TetradError, type ErrorCode } from '../../core/errors.ts';
import { PANEL } from '../../formats/descriptor.ts';
import { joinRounded, type RoundJob, type Rounded } from '../../quantize/rounding/round.ts';

/** Worker threads that round rows. They end with the process, or by `close`. */
export interface RoundPool {
  round(job: RoundJob): Promise<Rounded>;
  close(): Promise<void>;
}

type Answer = { readonly rounded: Rounded } | { readonly code: ErrorCode | null; readonly message: string };

const entry = new URL(import.meta.url.endsWith('.ts') ? './round-worker.ts' : './round-worker.js', import.meta.url);

/** Rows of a job that each of `count` threads rounds, whole panels. */
function shared({ rows, cols, values, ...rest }: RoundJob, count: number): RoundJob[] {
  const step = Math.ceil(Math.ceil(rows / PANEL) / count) * PANEL;
  return Array.from({ length: Math.ceil(rows / step) }, (_, i) => {
    const [from, to] = [i * step, Math.min(rows, (i + 1) * step)];
    return { ...rest, rows: to - from, cols, values: values.slice(from * cols, to * cols) };
  });
}

/** One job on one thread, which has no other at that time. */
function ask(worker: Worker, job: RoundJob): Promise<Rounded> {
  return new Promise((resolve, reject) => {
    const settle = (): void => void worker.off('message', onAnswer).off('exit', onExit).off('error', onError);
    const onAnswer = (answer: Answer): void => {
      settle();
      if ('rounded' in answer) resolve(answer.rounded);
      else reject(answer.code ? new TetradError(answer.code, answer.message) : new Error(answer.message));
    };
    const onError = (cause: unknown): void => {
      settle();
      reject(new TetradError('worker_failed', `Cannot round weights: a thread failed, ${String(cause)}`, { cause }));
    };
    const onExit = (code: number): void => onError(`exit code ${code}`);
    worker.on('message', onAnswer).on('exit', onExit).on('error', onError);
    worker.postMessage(job, [job.values.buffer as ArrayBuffer]);
  });
}

/** Starts the threads at the first job. The result does not depend on their number. */
export function roundPool(threads: number): RoundPool {
  let workers: Worker[] | null = null;
  return {
    async round(job) {
      const pool = (workers ??= Array.from({ length: threads }, () => new Worker(entry, { execArgv: [] })));
      const parts = shared(job, threads).map((part, i) => ask(pool[i]!, part));
      await Promise.allSettled(parts); // where one fails, the others' answers would be taken for those to the next job
      return joinRounded(await Promise.all(parts));
    },
    async close() {
      await Promise.all((workers ?? []).map((worker) => worker.terminate()));
      workers = null;
    },
  };
}
