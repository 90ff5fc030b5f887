// From process start to the first token of a 32-token prompt on the embedded model, as a whole process and by stage; medians.
// Usage: npm run coldstart [-- --json] [--runs 7]
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { root } from './build.mjs';

/** One fresh process: milliseconds since its start at each stage. */
async function measure() {
  const since = () => performance.now(); // counts from the start of the process
  const runtime = since();
  const { load } = await import(join(root, 'dist/index.js'));
  const imported = since();
  const model = await load(undefined, { context: 2048 });
  const loaded = since();
  const prompt = Array.from({ length: 32 }, (_, i) => (i * 7919 + 13) % 49152);
  for await (const piece of model.generate(prompt, { maxTokens: 1, temperature: 0 })) void piece;
  console.log(JSON.stringify({ runtime_ms: runtime, import_ms: imported, load_ms: loaded, first_token_ms: since(), peak_rss_bytes: process.resourceUsage().maxRSS * 1024 }));
  await model.dispose();
}

function main() {
  const { values } = parseArgs({ options: { json: { type: 'boolean' }, runs: { type: 'string', default: '7' } } });
  const rows = Array.from({ length: Number(values.runs) }, () => {
    const start = performance.now();
    const { stdout, stderr, status } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), '--measure'], { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
    return { ...JSON.parse(stdout), process_ms: performance.now() - start };
  });
  const median = (name) => rows.map((row) => row[name]).sort((a, b) => a - b)[Math.floor(rows.length / 2)];
  const result = { node: process.versions.node, runs: rows.length, ...Object.fromEntries(Object.keys(rows[0]).map((name) => [name, Math.round(median(name))])) };
  console.log(values.json ? JSON.stringify(result) : Object.entries(result).map(([name, value]) => `${name}\t${value}`).join('\n'));
}

if (process.argv[2] === '--measure') await measure();
else main();
