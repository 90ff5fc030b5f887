import type { Backend } from '../backends/backend.ts';
import { TetradError } from '../core/errors.ts';
import { Control } from './control.ts';
import { Forward } from './forward.ts';
import { layoutMemory, type LayoutOptions, type Plan } from './layout.ts';
import { Rank } from './team.ts';

/** All that a worker needs to take part in a model. Every field can be posted to it. */
export interface WorkerJob {
  readonly rank: number;
  /** Of the backend that rank 0 opened. */
  readonly handle: unknown;
  readonly plan: Plan;
  readonly options: LayoutOptions & { readonly threads: number };
  readonly control: SharedArrayBuffer;
  /** There are as many cores as ranks. */
  readonly spin: boolean;
}

/**
 * The life of a worker: binds the same plan as rank 0, says `ready`, then waits for commands and runs them until it is told to stop or any rank has
 * failed. Whatever goes wrong here makes the whole team fail, so that nobody waits for this rank.
 */
export function serve(job: WorkerJob, attach: (handle: unknown) => Backend, ready: () => void): void {
  const { rank, plan, options, spin } = job;
  const control = new Control(job.control, { spin, mayBlock: true, now: () => 0 });
  try {
    const forward = new Forward(plan, attach(job.handle), layoutMemory(plan, options, rank), options, new Rank(control, rank, options.threads, !spin));
    const command = { count: 0, sequences: 0, rows: 0 };
    ready();
    for (let done = 0; ; done++) {
      control.awaitCommand(done);
      command.count = control.argument(0);
      if (command.count === 0) return;
      command.sequences = control.argument(1);
      command.rows = control.argument(2);
      forward.run(command);
    }
  } catch (error) {
    if (!(TetradError.is(error) && error.code === 'worker_failed')) control.raise(`thread ${rank} failed with "${String(error)}"`);
  }
}
