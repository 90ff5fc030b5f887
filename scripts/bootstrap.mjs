// Entry of every npm script: installs and builds what is missing or stale, then runs the command on the Node that the package `node` brings.
// Runs on bare Node 20 without packages, and without a network once node_modules is there.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { buildScript, buildWasm, root, step, tool } from './build.mjs';

/** What each command needs built, and what it runs. */
const commands = {
  build: { build: [buildWasm, buildScript] },
  start: { build: [buildWasm, buildScript], run: ['scripts/start.mjs'] },
  tetrad: { build: [buildWasm, buildScript], run: ['dist/surfaces/cli/main.js'] },
  test: { build: [buildWasm, buildScript], run: ['node_modules/vitest/vitest.mjs', 'run'] },
  ok: { build: [buildWasm, buildScript], run: ['scripts/ok.mjs'] },
  bench: { build: [buildWasm, buildScript], run: ['scripts/bench.mjs'] },
  goldens: { build: [buildWasm], run: ['bench/goldens.ts'] },
  fidelity: { build: [buildWasm], run: ['bench/fidelity.ts'] },
  grids: { build: [buildWasm], run: ['bench/grids.ts'] },
  lab: { build: [buildWasm], run: ['bench/lab.ts'] },
  digests: { build: [buildWasm, buildScript], run: ['scripts/digests.mjs'] },
  'example:browser': { build: [buildWasm, buildScript], run: ['examples/browser/build.mjs'] },
  'measure:runtimes': { build: [buildWasm, buildScript], run: ['scripts/measure-runtimes.mjs'] },
  huge: { build: [buildWasm, buildScript], run: ['scripts/huge.mjs'] },
  'measure:workerd': { build: [buildWasm, buildScript], run: ['scripts/measure-workerd.mjs'] },
  coldstart: { build: [buildWasm, buildScript], run: ['scripts/coldstart.mjs'] },
  'measure:lambda': { build: [buildWasm, buildScript], run: ['scripts/measure-lambda.mjs'] },
};

const [name, ...args] = process.argv.slice(2);
const command = commands[name];
if (!command) fail(`unknown command "${name}": one of ${Object.keys(commands).join(', ')} is needed`, 2);
try {
  install();
  for (const build of command.build) build();
} catch (error) {
  fail(error.message, 1);
}
if (command.run) exec(newerNode(), [...command.run, ...args]);

function fail(message, code) {
  process.stderr.write(`Error: ${message}\n`);
  process.exit(code);
}

/** Brings node_modules in line with package-lock.json. */
function install() {
  if (installed()) return;
  const verb = existsSync(join(root, 'package-lock.json')) ? 'ci' : 'install';
  const shell = process.platform === 'win32';
  step(`installed packages with npm ${verb}`, () => {
    tool(`npm ${verb}`, 'npm', [verb, '--no-audit', '--no-fund', '--loglevel=error'], { shell });
    // Where npm holds back install scripts, the package `node` is still without its binary.
    const node = join(root, 'node_modules', 'node');
    if (!nodeBinary() && existsSync(node)) spawnSync(process.execPath, ['installArchSpecificPackage.js'], { cwd: node, stdio: 'ignore' });
  });
}

/** True if npm's record of node_modules holds every required package of the lock file in its version. */
function installed() {
  const record = read('node_modules/.package-lock.json');
  const lock = read('package-lock.json');
  if (!record || !lock) return record !== null;
  return Object.entries(lock).every(([path, { version, optional }]) => path === '' || optional || record[path]?.version === version);
}

function read(file) {
  const path = join(root, file);
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).packages : null;
}

function newerNode() {
  const binary = nodeBinary();
  return binary && spawnSync(binary, ['--version']).status === 0 ? binary : process.execPath;
}

/** The binary that the package `node` linked, or else the one in the platform package that it installs inside itself. */
function nodeBinary() {
  const file = process.platform === 'win32' ? 'node.exe' : 'node';
  const base = join(root, 'node_modules', 'node');
  const inner = join(base, 'node_modules');
  const platforms = existsSync(inner) ? readdirSync(inner).map((entry) => join(inner, entry, 'bin', file)) : [];
  return [join(base, 'bin', file), ...platforms].find((path) => existsSync(path)) ?? null;
}

/** Hands the terminal to the command; its exit code becomes ours. */
function exec(node, argv) {
  const child = spawn(node, argv, { cwd: root, stdio: 'inherit' });
  process.on('SIGINT', () => {}); // the terminal sends it to the child as well, which decides
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  child.on('error', (error) => fail(`cannot run ${node}: ${error.message}`, 1));
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
}
