// A model that no single memory of WebAssembly holds: writes a container of random weights, runs a fixed prompt in fresh processes with its layers in different
// numbers of memories, and prints the digests of the logits and of the KV cache, which must be equal.
// Usage: npm run huge [-- --json] [--gib 5.5] [--seed 1] [--folder PATH] [--keep] [--memories auto,3] [--threads 1] [--runtime node|bun|deno] [--exec PATH]
// A folder that holds a container is taken as it is and stays; else what was written is removed at the end, unless --keep. Needs as much free space, and memory.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, statfsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { root } from './build.mjs';

const RUNTIMES = { node: { exec: process.execPath, args: [] }, bun: { exec: 'bun', args: [] }, deno: { exec: 'deno', args: ['run', '-A'] } };
const GIB = 2 ** 30;

const { values } = parseArgs({
  options: {
    json: { type: 'boolean' }, keep: { type: 'boolean' }, gib: { type: 'string', default: '5.5' }, seed: { type: 'string', default: '1' },
    folder: { type: 'string', default: join(root, '.cache', 'huge') }, memories: { type: 'string', default: 'auto,3' }, threads: { type: 'string', default: '1' },
    runtime: { type: 'string', default: 'node' }, exec: { type: 'string' },
  },
});
const note = (text) => process.stderr.write(`tetrad: ${text}\n`);
const folder = resolve(values.folder);

/** Writes the container; refuses where the disk has no room for it. */
async function write() {
  const bytes = Number(values.gib) * GIB;
  if (!(bytes > 0)) throw new Error(`Cannot write a model of ${values.gib} GiB: needed is a number above 0`);
  mkdirSync(dirname(folder), { recursive: true });
  const { bavail, bsize } = statfsSync(dirname(folder));
  const free = bavail * bsize;
  if (free < 1.02 * bytes) throw new Error(`Cannot write a model of ${values.gib} GiB to ${folder}: ${(free / GIB).toFixed(1)} GiB are free, needed is 2 % more than its size`);
  const { randomImage } = await import('./huge/random-model.mjs');
  const { writeContainer } = await import('../dist/container/write.js');
  const { directorySink } = await import('../dist/surfaces/adapters/directory-sink.js');
  const start = performance.now();
  const image = await randomImage(bytes, Number(values.seed));
  await writeContainer(image, await directorySink(folder));
  const { config, bytes: size } = image.manifest;
  note(`wrote ${(size / GIB).toFixed(2)} GiB, ${config.layers} layers of ${config.hidden} channels (${((performance.now() - start) / 1000).toFixed(1)} s)`);
}

/** One run in a process of its own. */
function measure(memories) {
  const { exec, args } = RUNTIMES[values.runtime] ?? fail(`the runtime is ${JSON.stringify(values.runtime)}, needed is ${Object.keys(RUNTIMES).join(', ')}`);
  const program = fileURLToPath(new URL('./huge/measure.mjs', import.meta.url));
  const { status, stdout, stderr, error } = spawnSync(values.exec ?? exec, [...args, program, folder, memories, values.threads], { encoding: 'utf8' });
  if (status !== 0) fail(`${values.runtime} with ${memories} memories: ${error?.message ?? stderr}`);
  const row = JSON.parse(stdout.trim().split('\n').at(-1));
  const seconds = (ms) => (ms / 1000).toFixed(1);
  const what = `${row.runtime} ${row.version} ${row.path}, ${row.threads} threads, ${row.memories} memories`;
  note(`${what}: loaded in ${seconds(row.load_ms)} s, ${seconds(row.decode_ms)} s a token, ${(row.rss_bytes / GIB).toFixed(2)} GiB resident`);
  return row;
}

function fail(problem) {
  throw new Error(`Cannot compare runs: ${problem}`);
}

const own = !existsSync(join(folder, 'model.json'));
try {
  if (own) await write();
  const rows = values.memories.split(',').map(measure);
  console.log(values.json ? JSON.stringify(rows, null, 2) : rows.map((row) => `${row.memories} memories\tlogits ${row.digest}\tcache ${row.cache}`).join('\n'));
  if (!rows.every(({ finite }) => finite)) fail('some logits are not finite');
  if (new Set(rows.map(({ digest, cache }) => `${digest} ${cache}`)).size !== 1) fail('the digests differ');
} catch (error) {
  process.stderr.write(`Error: ${error.message}\n`);
  process.exitCode = 1;
} finally {
  if (own && !values.keep) rmSync(folder, { recursive: true, force: true });
}
