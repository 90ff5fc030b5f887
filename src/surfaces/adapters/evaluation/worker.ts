import { parentPort, workerData } from 'node:worker_threads';
import type { Job } from '../../../evaluate/jobs.ts';
import { openModel } from './open-model.ts';
import { LocalLane } from './lane.ts';
import type { EvaluationSetup } from './setup.ts';
import { packError, type Answer } from './threads.ts';

/** A thread that runs jobs until it is ended. */
const lane = new LocalLane(workerData as EvaluationSetup, openModel);
const never = new AbortController().signal; // the thread is ended instead
const answer = (message: Answer): void => parentPort!.postMessage(message, []);
parentPort!.on('message', (job: Job) => {
  lane.run(job, never).then((outcome) => answer({ outcome }), (error: unknown) => answer({ error: packError(error) }));
});
