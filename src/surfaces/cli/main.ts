#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { run } from '@stricli/core';
import { tetrad } from './app.ts';
import type { CliContext } from './context.ts';
import { EXIT, processExitCode } from './exit.ts';

const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string };
const stop = new AbortController();

// The first signal asks the command to stop and clean up, the second ends the process.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (stop.signal.aborted) process.exit(signal === 'SIGINT' ? EXIT.interrupted : EXIT.terminated);
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
