/** Deno runs what Node runs. Its threads are `node:worker_threads`: a program whose Web Workers still wait would never end there. */
export * from './node.ts';
