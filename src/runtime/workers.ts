import { TetradError } from '../core/errors.ts';
import { Control, CONTROL_BYTES } from './control.ts';
import type { Forward } from './forward.ts';
import { Rank, type Command, type Team } from './team.ts';
import type { WorkerJob } from './worker.ts';

/** A thread that runs `serve`. */
export interface WorkerHandle {
  /** Resolves once the worker waits for commands; never settles where it ends first. */
  readonly ready: Promise<void>;
  /** Resolves with the reason when the thread has ended. */
  readonly ended: Promise<string>;
  terminate(): Promise<unknown>;
}

/** How a platform starts threads: adapters give it where memory can be shared. */
export interface ThreadHost {
  /** Physical cores, or a guess: the default number of threads. */
  readonly cores: number;
  /** More threads than this share processors: physical cores where they are known, or else all processors. */
  readonly processors: number;
  /** `Atomics.wait` is allowed on the caller's thread. */
  readonly mayBlock: boolean;
  /** Milliseconds on a steady clock. */
  readonly now: () => number;
  start(job: WorkerJob): WorkerHandle;
}

/** Rank 0's side of a team: starts the other ranks, leads them through each command, and ends them. */
export class Workers {
  readonly team: Team;
  readonly #control: Control;
  readonly #handles: WorkerHandle[];
  #ending = false;

  constructor(host: ThreadHost, job: Pick<WorkerJob, 'handle' | 'plan' | 'options'>) {
    const { threads } = job.options;
    const { config, linears, vectors, bytes, first, rotated } = job.plan;
    const plan = { config, linears, vectors, bytes, first, ...(rotated && { rotated }) };
    const spin = threads <= host.processors;
    const control = new SharedArrayBuffer(CONTROL_BYTES);
    this.#control = new Control(control, { spin, mayBlock: host.mayBlock, now: host.now });
    this.team = new Rank(this.#control, 0, threads, !spin);
    this.#handles = [];
    try {
      for (let rank = 1; rank < threads; rank++) this.#handles.push(host.start({ ...job, plan, rank, control, spin }));
    } catch (cause) {
      void this.dispose();
      throw new TetradError('worker_failed', `Cannot start ${threads} threads: the engine says ${String(cause)}`, { cause });
    }
    for (const [i, { ended }] of this.#handles.entries()) {
      void this.#watch(i + 1, ended);
    }
  }

  async #watch(rank: number, ended: Promise<string>): Promise<void> {
    const reason = await ended;
    if (!this.#ending) this.#control.raise(`thread ${rank} ended: ${reason}`);
  }

  /** Waits until all ranks have bound the plan. Rejects with `worker_failed`. */
  async ready(): Promise<void> {
    await Promise.race([Promise.all(this.#handles.map(({ ready }) => ready)), ...this.#handles.map(({ ended }) => ended)]);
    this.#control.check();
  }

  /** Runs one command on all ranks, this one included. Throws `worker_failed`, now and ever after, where any of them fails. */
  lead(forward: Forward, command: Command): void {
    this.#control.command(command.count, command.sequences, command.rows);
    try {
      forward.run(command);
    } catch (error) {
      this.#control.raise(`the thread that leads failed with "${String(error)}"`);
      throw error;
    }
  }

  async dispose(): Promise<void> {
    this.#ending = true;
    try {
      this.#control.command(0, 0, 0);
    } catch (error) {
      if (!(TetradError.is(error) && error.code === 'worker_failed')) throw error;
    }
    await Promise.all(this.#handles.map((handle) => handle.terminate()));
  }
}
