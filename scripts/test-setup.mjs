// Run once by vitest: tests never see modules older than assembly/.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { buildWasm, root } from './build.mjs';

let failed = false;

/** A build that fails takes the old modules away, so that tests that need them fail while all others still run. */
export function setup() {
  try {
    buildWasm();
  } catch (error) {
    failed = true;
    rmSync(join(root, 'dist', 'wasm'), { recursive: true, force: true });
    process.stderr.write(`Error: ${error.message}\n`);
  }
}

export function teardown() {
  if (failed) process.exitCode = 1;
}
