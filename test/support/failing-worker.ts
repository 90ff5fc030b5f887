import { parentPort, workerData } from 'node:worker_threads';
import type { Backend } from '../../src/backends/backend.ts';
import { attach } from '../../src/backends/open.ts';
import { serve, type WorkerJob } from '../../src/runtime/worker.ts';

/** The 20th GEMM of the last rank throws in a team of two, and ends the thread without a word in a larger one. */
function failing(handle: unknown): Backend {
  const backend = attach(handle);
  const { rank, options: { threads } } = workerData as WorkerJob;
  let calls = 0;
  const gemm: typeof backend.kernels.gemm = (...args) => {
    calls++;
    if (calls === 20 && rank === threads - 1) {
      if (threads === 2) throw new RangeError('twenty');
      process.exit(0);
    }
    backend.kernels.gemm(...args);
  };
  return { ...backend, kernels: { ...backend.kernels, gemm } };
}

serve(workerData as WorkerJob, failing, () => parentPort!.postMessage('ready', []));
