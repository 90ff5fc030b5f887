// Run once by vitest: tests never see modules older than assembly/, nor other runtimes a script older than src/.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { buildScript, buildWasm, root } from './build.mjs';

let failed = false;

/** A build that fails takes the old one away, so that tests that need it fail while all others still run. */
function attempt(build, result) {
  try {
    build();
  } catch (error) {
    failed = true;
    rmSync(join(root, result), { recursive: true, force: true });
    process.stderr.write(`Error: ${error.message}\n`);
  }
}

export function setup() {
  attempt(buildWasm, join('dist', 'wasm'));
  attempt(buildScript, join('dist', 'surfaces'));
}

export function teardown() {
  if (failed) process.exitCode = 1;
}
