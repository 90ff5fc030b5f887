// The whole gate: types, lint, tests (architecture rules and documentation examples are tests). Stops at the first failure.
// Usage: npm run ok [-- --no-tests]
import { spawnSync } from 'node:child_process';
import { root } from './build.mjs';

const steps = [
  ['types', ['node_modules/typescript/bin/tsc', '-p', '.']],
  ['lint', ['node_modules/oxlint/bin/oxlint', '--deny-warnings', 'src', 'test', 'scripts', 'bench', 'vitest.config.ts']],
  ['tests', ['node_modules/vitest/vitest.mjs', 'run']],
];

for (const [name, argv] of steps) {
  if (name === 'tests' && process.argv.includes('--no-tests')) continue;
  process.stderr.write(`tetrad: ${name}\n`);
  const { status } = spawnSync(process.execPath, argv, { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
