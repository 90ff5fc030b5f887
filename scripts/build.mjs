// Builds dist/ from sources, each part only when the digest of its inputs changed. Runs on bare Node 20; the tools come from node_modules.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Prints one line about a slow step, with its time once it is done. */
export function step(label, action) {
  const start = performance.now();
  const result = action();
  process.stderr.write(`tetrad: ${label} (${((performance.now() - start) / 1000).toFixed(1)} s)\n`);
  return result;
}

/** Runs a tool silently; throws with its output if it fails. */
export function tool(label, command, args, options = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28, ...options });
  if (error || status !== 0) throw new Error(`${label} failed: ${error?.message ?? `exit code ${status}`}\n${stdout ?? ''}${stderr ?? ''}`);
}

/** Builds dist/wasm/simd128.wasm and dist/wasm/relaxed.wasm. */
export function buildWasm() {
  part('wasm', ['assembly', 'src/formats/descriptor.ts', 'package-lock.json'], join('dist', 'wasm'), (stage) => {
    for (const target of ['simd128', 'relaxed']) {
      const entry = `assembly/index.${target}.ts`;
      const out = join(stage, `${target}.wasm`);
      tool(entry, process.execPath, [
        'node_modules/assemblyscript/bin/asc.js', entry, '--config', 'assembly/asconfig.json', '--target', target, '--outFile', out,
      ]);
    }
  });
}

/** Builds the JavaScript and declarations in dist/. */
export function buildScript() {
  part('script', ['src', 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json'], 'dist', (stage) => {
    tool('tsc', process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', '--outDir', stage]);
  });
}

/** Builds into a folder of its own and then moves its entries to `target`, so that a reader never sees half a file. */
function part(name, inputs, target, build) {
  const stamp = join(root, target, '.stamp');
  const digest = digestOf(inputs);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return;
  mkdirSync(join(root, target), { recursive: true });
  const stage = mkdtempSync(join(root, target, '.stage-'));
  try {
    step(`built ${name}`, () => build(stage));
    for (const entry of readdirSync(stage)) {
      const to = join(root, target, entry);
      if (statSync(join(stage, entry)).isDirectory()) rmSync(to, { recursive: true, force: true });
      renameSync(join(stage, entry), to);
    }
    writeFileSync(stamp, digest);
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

function digestOf(inputs) {
  const hash = createHash('sha256').update(process.platform);
  for (const input of inputs) {
    const path = join(root, input);
    if (!existsSync(path)) throw new Error(`build failed: ${input} is missing`);
    const files = statSync(path).isDirectory() ? readdirSync(path, { recursive: true }).map(String).sort() : [''];
    for (const file of files) {
      const full = join(path, file);
      if (statSync(full).isFile()) hash.update(`${input}/${file}\0`).update(readFileSync(full));
    }
  }
  return hash.digest('hex');
}
