import { parentPort } from 'node:worker_threads';
import { TetradError } from '../../core/errors.ts';
import { roundRows, type RoundJob } from '../../quantize/rounding/round.ts';

/** Rounds job after job; an error is sent as its code and message. */
parentPort!.on('message', (job: RoundJob) => {
  try {
    parentPort!.postMessage({ rounded: roundRows(job) }, []);
  } catch (error) {
    const { code, message } = error instanceof TetradError ? error : { code: null, message: String(error) };
    parentPort!.postMessage({ code, message }, []);
  }
});
