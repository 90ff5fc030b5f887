/** The second thread of the stream limit: reads its half each time that the first one counts up, and counts back. */
import { workerData } from 'node:worker_threads';
import type { StreamJob } from './probe.ts';

const { module, memory, from, bytes, control } = workerData as StreamJob;
const { exports } = new WebAssembly.Instance(module, { env: { memory } });
const read = exports['streamRead'] as (from: number, bytes: number) => number;
const flags = new Int32Array(control);

for (let round = 0; ; round++) {
  Atomics.wait(flags, 0, round);
  if (Atomics.load(flags, 0) < 0) break;
  read(from, bytes);
  Atomics.store(flags, 1, round + 1);
  Atomics.notify(flags, 1);
}
