// Speeds and memory of every runtime, one after the other, on one thread: load, start to first token of 32 (of a page: from its navigation), prefill of 512,
// decoding of 64, peak resident bytes of the process that runs it,
// and what a bundle for it ships (JavaScript and both modules, gzip). Medians of 3 for the rates; the tokens of all must be the same.
// Usage: npm run measure:runtimes [-- --json] [--only node24,deno,...]    workerd and Lambda have commands of their own: measure:workerd, measure:lambda.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { rendererPeak } from '../bench/browser/chromium.ts';
import { openPage } from '../bench/browser/open-page.ts';
import { root } from './build.mjs';
import { bundle, shippedBytes } from './bundle.mjs';
import { checkEqual, LOCAL, rowsOf } from './every-runtime.mjs';
import { peakBytes } from './figures.mjs';

async function local({ binary }, adapter, args) {
  const child = spawn(binary, [...args, join(root, 'scripts/speeds/local.js'), adapter, String(Date.now())], { cwd: root, stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  let text = '';
  for await (const chunk of child.stdout.setEncoding('utf8')) {
    text += chunk;
    if (!text.includes('\n')) continue;
    const found = { ...JSON.parse(text), peak_rss_bytes: peakBytes(child.pid) };
    child.stdin.end();
    await ended;
    return found;
  }
  throw new Error(`it ended with ${await ended}`);
}

async function browser(name) {
  const { posted, seen } = await openPage(name, 'scripts/speeds/page.html', { isolated: true }, (pid) => (name === 'chromium' ? rendererPeak(pid) : null));
  const { agent, ...found } = posted;
  return { version: /(?:Chrome|Firefox)\/([\d.]+)/.exec(agent)?.[1], ...found, peak_rss_bytes: seen };
}

async function row(name, condition, { ids, ...found }) {
  const { script, wasm } = shippedBytes(await bundle(condition));
  return [{ runtime: name.replace(/\d+$/, ''), ...found, bundle_gzip_bytes: script + wasm, tokens_sha256: createHash('sha256').update(ids).digest('hex') }];
}

const measures = {
  ...Object.fromEntries(LOCAL.map(([name, adapter, args]) => [name, async (got) => row(name, adapter, { version: got.version, ...(await local(got, adapter, args)) })])),
  ...Object.fromEntries(['chromium', 'firefox'].map((name) => [name, async () => row(name, 'browser', await browser(name))])),
};

const { values } = parseArgs({ options: { json: { type: 'boolean' }, only: { type: 'string' } } });
const rows = await rowsOf(measures, values.only);
const cells = (one) => Object.entries(one).map(([key, value]) => (typeof value === 'number' ? Math.round(value) : key === 'tokens_sha256' ? value.slice(0, 12) : value));
console.log(values.json ? JSON.stringify(rows, null, 2) : [Object.keys(rows[0] ?? {}), ...rows.map(cells)].map((line) => line.join('\t')).join('\n'));
checkEqual(rows, 'the tokens', 'tokens_sha256');
