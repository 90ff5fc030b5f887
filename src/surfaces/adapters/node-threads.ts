import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { WorkerJob } from '../../runtime/worker.ts';
import type { ThreadHost, WorkerHandle } from '../../runtime/workers.ts';

const CPUS = '/sys/devices/system/cpu';

/** Cores, not their hyperthreads, of which two share the units that the kernels keep busy; no more than the process may use. */
export function physicalCores(root = CPUS): number {
  const usable = availableParallelism();
  try {
    const cpus = readdirSync(root).filter((name) => /^cpu\d+$/.test(name));
    const cores = new Set(cpus.map((name) => readFileSync(`${root}/${name}/topology/thread_siblings_list`, 'utf8')));
    return Math.max(1, Math.min(cores.size, usable));
  } catch {
    return usable; // not Linux, or a container that hides its processors
  }
}

/** Worker threads of Node that run the program `entry`. */
export const threadsOn = (entry: URL): ThreadHost => ({
  get cores() {
    return physicalCores();
  },
  get processors() {
    return physicalCores();
  },
  mayBlock: true,
  now: () => performance.now(),
  start(workerData: WorkerJob): WorkerHandle {
    const worker = new Worker(entry, { workerData, execArgv: [] }); // the caller's flags, such as --input-type, are not for this program
    const ready = new Promise<void>((resolve) => {
      worker.once('message', () => {
        worker.unref(); // from now on a process ends although its models were not disposed of
        resolve();
      });
    });
    const ended = new Promise<string>((resolve) => {
      worker.once('error', (error) => resolve(String(error)));
      worker.once('exit', (code) => resolve(`exit code ${code}`));
    });
    return { ready, ended, terminate: () => worker.terminate() };
  },
});

/** The worker's file as this one is: TypeScript in the sources, JavaScript in the package. */
export const threadHost = threadsOn(new URL(import.meta.url.endsWith('.ts') ? './node-worker.ts' : './node-worker.js', import.meta.url));
