// From process start to the first token of a 32-token prompt on the embedded model, as a whole process and by stage.
// Usage: npm run coldstart [-- --json] [--runs 7] [--threads N]    Medians; JSON has every run.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { root } from './build.mjs';
import { median } from './figures.mjs';

/** One fresh process: milliseconds since its start at each stage. */
async function measure(threads) {
  const since = () => performance.now(); // counts from the start of the process
  const runtime = since();
  const { load } = await import(join(root, 'dist/index.js'));
  const imported = since();
  const model = await load(undefined, { context: 2048, ...(threads ? { threads: Number(threads) } : {}) });
  const loaded = since();
  const prompt = Array.from({ length: 32 }, (_, i) => (i * 7919 + 13) % 49152);
  for await (const piece of model.generate(prompt, { maxTokens: 1, temperature: 0 })) void piece;
  console.log(JSON.stringify({ runtime_ms: runtime, import_ms: imported, load_ms: loaded, first_token_ms: since(), peak_rss_bytes: process.resourceUsage().maxRSS * 1024 }));
  await model.dispose();
}

function main({ json, runs, threads }) {
  const rows = Array.from({ length: Number(runs) }, () => {
    const start = performance.now();
    const { stdout, stderr, status } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), '--measure', ...(threads ? ['--threads', threads] : [])], { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
    return { ...JSON.parse(stdout), process_ms: performance.now() - start };
  });
  const columns = Object.keys(rows[0]).map((name) => [name, rows.map((row) => Math.round(row[name]))]);
  if (json) console.log(JSON.stringify({ node: process.versions.node, ...Object.fromEntries(columns) }));
  else console.log([['node', process.versions.node], ['runs', runs], ...columns.map(([name, values]) => [name, median(values)])].map((line) => line.join('\t')).join('\n'));
}

const { values } = parseArgs({
  options: { json: { type: 'boolean' }, runs: { type: 'string', default: '7' }, threads: { type: 'string' }, measure: { type: 'boolean' } },
});
if (values.measure) await measure(values.threads);
else main(values);
