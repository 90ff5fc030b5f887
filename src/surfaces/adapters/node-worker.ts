import { parentPort, workerData } from 'node:worker_threads';
import { attach } from '../../backends/open.ts';
import { serve, type WorkerJob } from '../../runtime/worker.ts';

serve(workerData as WorkerJob, attach, () => parentPort!.postMessage('ready', []));
