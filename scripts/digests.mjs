// SHA-256 of the logits of a fixed 64-token prompt on the embedded model, for every Node version and kernel path: all lines must show one digest.
// Usage: npm run digests [-- --json] [--nodes 20,22,24]    Other Node versions come from the npm package `node`, into .cache/.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { root } from './build.mjs';

const PATHS = ['simd128', 'relaxed-i16', 'relaxed-i32'];
const PROMPT_TOKENS = 64;

/** Runs in the Node version under test: one JSON line per path that this Node has. */
async function measure() {
  const { EMBEDDED, opener } = await import(join(root, 'dist/surfaces/adapters/node.js'));
  const { openLocal } = await import(join(root, 'dist/surfaces/adapters/local-models.js'));
  const { decoderOf } = await import(join(root, 'dist/surfaces/loader.js'));
  const tokens = Array.from({ length: PROMPT_TOKENS }, (_, i) => (i * 7919 + 13) % 49152);
  for (const path of PATHS) {
    try {
      const open = await opener(path);
      const decoder = await decoderOf(await openLocal(EMBEDDED, { open }), { open, context: 128 });
      const logits = decoder.forward(tokens);
      const digest = createHash('sha256').update(new Uint8Array(logits.buffer, logits.byteOffset, logits.byteLength)).digest('hex');
      console.log(JSON.stringify({ runtime: 'node', version: process.versions.node, path, threads: 1, digest }));
    } catch (error) {
      if (error.code !== 'no_kernel') throw error;
    }
  }
}

/** The binary of a Node major version, installed if need be. */
function nodeBinary(major) {
  const dir = join(root, '.cache', `node-${major}`);
  const binary = join(dir, 'node_modules', 'node', 'bin', 'node');
  if (!existsSync(binary)) {
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, 'package.json'), JSON.stringify({ private: true, allowScripts: { node: true } }));
    spawnSync('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error', `node@${major}`], { cwd: dir, stdio: 'ignore' });
  }
  if (!existsSync(binary)) throw new Error(`Cannot run Node ${major}: the npm package node@${major} brought no binary`);
  return binary;
}

function main() {
  const { values } = parseArgs({ options: { json: { type: 'boolean' }, nodes: { type: 'string', default: '20,22,24' } } });
  const rows = values.nodes.split(',').flatMap((major) => {
    const { status, stdout, stderr } = spawnSync(nodeBinary(major), [fileURLToPath(import.meta.url), '--measure'], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`Node ${major} failed: ${stderr}`);
    return stdout.trim().split('\n').map((line) => JSON.parse(line));
  });
  const print = values.json ? JSON.stringify(rows, null, 2) : rows.map((r) => `${r.runtime} ${r.version}\t${r.path}\t${r.digest}`).join('\n');
  console.log(print);
  if (new Set(rows.map((row) => row.digest)).size !== 1) throw new Error('The digests differ');
}

if (process.argv[2] === '--measure') await measure();
else main();
