import { Worker } from 'node:worker_threads';
import { TetradError, type ErrorCode } from '../../../core/errors.ts';
import type { Job, Lane, Outcome } from '../../../evaluate/jobs.ts';
import { LocalLane } from './lane.ts';
import { openModel } from './open-model.ts';
import type { EvaluationSetup } from './setup.ts';

interface PackedError {
  readonly code: ErrorCode | null;
  readonly message: string;
}

/** An error of a thread as a message: the codes of our own survive. */
export const packError = (error: unknown): PackedError =>
  TetradError.is(error) ? { code: error.code, message: error.message } : { code: null, message: error instanceof Error ? (error.stack ?? error.message) : String(error) };

const unpackError = ({ code, message }: PackedError): Error => (code === null ? new Error(message) : new TetradError(code, message));

/** What a thread says to a job. */
export type Answer = { readonly outcome: unknown } | { readonly error: PackedError };

const entry = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);

/** A thread with models of its own. An abort ends the thread. */
class ThreadLane implements Lane, AsyncDisposable {
  readonly #worker: Worker;

  constructor(setup: EvaluationSetup) {
    this.#worker = new Worker(entry, { workerData: setup, execArgv: [] }); // the caller's flags, such as --input-type, are not for this program
    this.#worker.on('error', () => {}); // reported by the job that it hits
  }

  run<J extends Job>(job: J, signal: AbortSignal): Promise<Outcome<J>> {
    const worker = this.#worker;
    const done = new AbortController();
    return new Promise<Outcome<J>>((resolve, reject) => {
      const fail = (why: string): void => reject(new TetradError('worker_failed', `Cannot evaluate: a worker ended, ${why}`));
      const onMessage = (answer: Answer): void => ('error' in answer ? reject(unpackError(answer.error)) : resolve(answer.outcome as Outcome<J>));
      const onError = (error: Error): void => fail(String(error));
      const onExit = (code: number): void => fail(`exit code ${code}`);
      worker.once('message', onMessage).once('error', onError).once('exit', onExit);
      done.signal.addEventListener('abort', () => worker.off('message', onMessage).off('error', onError).off('exit', onExit));
      signal.addEventListener('abort', () => {
        reject(signal.reason as Error);
        void worker.terminate();
      }, { signal: done.signal, once: true });
      worker.postMessage(job, []);
    }).finally(() => done.abort());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }
}

/** Lanes that run jobs at once. */
export interface Lanes extends AsyncDisposable {
  readonly lanes: readonly Lane[];
}

/** So many lanes, each with models of its own: this thread if it is one, else a thread for each. */
export function openLanes(setup: EvaluationSetup, count: number): Lanes {
  const lanes = count === 1 ? [new LocalLane(setup, openModel)] : Array.from({ length: count }, () => new ThreadLane(setup));
  return {
    lanes,
    async [Symbol.asyncDispose]() {
      for (const lane of lanes) await lane[Symbol.asyncDispose]();
    },
  };
}
