#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { run } from '@stricli/core';
import { tetrad } from './app.ts';
import type { CliContext } from './context.ts';
import { EXIT, processExitCode } from './exit.ts';

const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string };
const stop = new AbortController();

// The first signal asks the command to stop and clean up; one that comes a second or more later ends the process. Sooner it is the same wish
// told twice: to the process and to its group.
const PATIENCE_MS = 1000;
let asked = Infinity;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (performance.now() - asked >= PATIENCE_MS) process.exit(signal === 'SIGINT' ? EXIT.interrupted : EXIT.terminated);
    if (stop.signal.aborted) return;
    asked = performance.now();
    stop.abort(signal);
  });
}
// A reader that has seen enough, such as `head`, closes the pipe.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.ok);
  throw error;
});

const context: CliContext = {
  process: { stdout: process.stdout, stderr: process.stderr, env: process.env },
  stdin: process.stdin,
  signal: stop.signal,
  now: () => performance.now(),
  engine: async () => (await import('./engine.ts')).engine,
};
await run(tetrad(version, stop.signal), process.argv.slice(2), context);
process.exitCode = processExitCode(context.process.exitCode);
