// Digests of logits from every runtime, kernel path and number of threads there is: all must be equal (scripts/digests/program.js says of what).
// Usage: npm run digests [-- --json] [--only node20,deno,...]    What cannot be had is named with its reason. JSON has, beside what is printed, the
// tiny model's digest on the same path (`tiny`) and on the scalar kernels (`reference`).
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { openPage } from '../bench/browser/open-page.ts';
import { root } from './build.mjs';
import { checkEqual, LOCAL, rowsOf } from './every-runtime.mjs';
import { serveWorker } from './workerd.mjs';

const run = promisify(execFile);
const at = (path) => join(root, path);

async function local({ binary, version }, adapter, args) {
  const { stdout } = await run(binary, [...args, at('scripts/digests/local.js'), adapter], { cwd: root, maxBuffer: 1 << 24 });
  return JSON.parse(stdout).map((row) => ({ runtime: adapter, version, ...row }));
}

async function workerd({ binary, version }) {
  const disks = { embedded: at('models/smollm2-135m-instruct'), tiny: at('test/fixtures/container-v1') };
  const worker = await serveWorker({ binary, entry: 'scripts/digests/worker.js', disks });
  try {
    const rows = await (await fetch(worker.origin, { method: 'POST', body: '{}' })).json();
    if (rows.error) throw new Error(rows.error);
    return rows.map((row) => ({ runtime: 'workerd', version, ...row }));
  } finally {
    await worker.stop();
  }
}

/** On a page and in a worker, with shared memory and without. */
async function browser(name) {
  const rows = [];
  for (const [where, isolated] of [['page', true], ['worker', true], ['worker', false]]) {
    const { posted } = await openPage(name, `scripts/digests/page.html?where=${where}`, { isolated });
    const version = /(?:Chrome|Firefox)\/([\d.]+)/.exec(posted.agent)?.[1];
    rows.push(...posted.rows.map((row) => ({ runtime: name, version, where: isolated ? where : `${where}, not isolated`, ...row })));
  }
  return rows;
}

const measures = {
  ...Object.fromEntries(LOCAL.map(([name, adapter, args]) => [name, (got) => local(got, adapter, args)])),
  workerd,
  chromium: ({ name }) => browser(name),
  firefox: ({ name }) => browser(name),
};

const { values } = parseArgs({ options: { json: { type: 'boolean' }, only: { type: 'string' } } });
const rows = await rowsOf(measures, values.only);
const line = ({ runtime: name, version, where, path, threads, digest }) => [where ? `${name}, ${where}` : name, version, path, threads, digest].join('\t');
console.log(values.json ? JSON.stringify(rows, null, 2) : rows.map(line).join('\n'));
checkEqual(rows, 'the digests', 'digest', ['tiny', 'reference']);
