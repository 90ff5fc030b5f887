// What examples/worker takes in real workerd: memory beside an empty worker, time to the first token, tokens per second.
// Usage: npm run measure:workerd [-- --json] [--runs 5]    Linux: memory is read from /proc.
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { root } from './build.mjs';
import { generated } from './events.mjs';
import { median } from './figures.mjs';
import { runtime } from './runtimes.mjs';
import { serveWorker } from './workerd.mjs';

const METHOD = `Method. Each figure is of a workerd process of its own (pinned in scripts/runtimes.mjs) without any V8 flags, bundled as by a user, its assets served by workerd from a disk.
Memory: /proc/PID/smaps_rollup and status after one short request and one of 1,900 tokens of prompt and 100 of completion, so that 2,000 of the context's 2,048 tokens are in the cache;
  growth is beside the same after the same two requests to a worker that only counts their bytes (scripts/empty-worker.js).
  resident: Rss, all of it. private: Rss less pages of workerd's own executable and libraries, which are mapped from files, the same for all isolates, and may be dropped at any time.
  peak: VmHWM, the most that Rss ever was. linear memory: what the library's estimate says and allocates. heap: Runtime.getHeapUsage of V8's inspector, in another process.
Cold start: from the start of the process to the first token received as a server-sent event, weights loaded and checked on the way; median.
Tokens per second: by the arrival of events. prefill: 512 tokens over the time to the first token. decode: 128 tokens, all but the first over the time from the first to the last.`;

const example = join(root, 'examples', 'worker', 'worker.js');
const empty = join(root, 'scripts', 'empty-worker.js');
const disks = { ASSETS: join(root, 'models') };
const ids = (length, salt) => Array.from({ length }, (_, i) => (i * 7919 + salt) % 49152);
const SHORT = { prompt: 'The capital of France is', max_tokens: 8, temperature: 0 };
const FULL = { prompt: ids(1900, 13), max_tokens: 100, temperature: 0 };

/** Why memory cannot be measured here, or null. */
export const noMemoryFigures = () => (existsSync('/proc/self/smaps_rollup') ? null : 'there is no /proc/PID/smaps_rollup, which Linux has');

/** Serves a worker for as long as `work` goes on. */
async function serving(options, work) {
  const server = await serveWorker({ disks, ...options });
  try {
    return await work(server);
  } finally {
    await server.stop();
  }
}

function resident(pid) {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8') + readFileSync(`/proc/${pid}/status`, 'utf8');
  const bytes = (name) => Number(text.match(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm'))[1]) * 1024;
  return { resident: bytes('Rss'), private: bytes('RssAnon') + bytes('RssShmem'), pss: bytes('Pss'), peak: bytes('VmHWM') };
}

/** Bytes that a process has after both requests. */
const memoryOf = (binary, entry) => serving({ binary, entry }, async ({ origin, pid }) => {
  for (const body of [SHORT, FULL]) await (await fetch(`${origin}/v1/completions`, { method: 'POST', body: JSON.stringify(body) })).text();
  return resident(pid);
});

/** How much more the example takes than an empty worker, in bytes. */
export async function memoryGrowth(binary) {
  const [none, full] = [await memoryOf(binary, empty), await memoryOf(binary, example)];
  return Object.fromEntries(Object.entries(full).map(([name, bytes]) => [name, bytes - none[name]]));
}

/** V8's heap after the short request, in bytes. */
const heapOf = (binary) => serving({ binary, entry: example, inspect: true }, async ({ origin, inspector }) => {
  await generated(origin, SHORT);
  const [{ webSocketDebuggerUrl }] = await (await fetch(`http://127.0.0.1:${inspector}/json`)).json();
  const socket = new WebSocket(webSocketDebuggerUrl);
  await once(socket, 'open');
  const answer = new Promise((resolve) => socket.addEventListener('message', ({ data }) => JSON.parse(data).id === 1 && resolve(JSON.parse(data).result)));
  socket.send(JSON.stringify({ id: 1, method: 'Runtime.getHeapUsage' }));
  const { usedSize, totalSize, backingStorageSize } = await answer;
  socket.close();
  return { heap_used_bytes: usedSize, heap_committed_bytes: totalSize, heap_buffers_bytes: backingStorageSize };
});

const coldStart = (binary) => serving({ binary, entry: example }, async ({ origin, started }) => (await generated(origin, { ...SHORT, max_tokens: 1 })).first - started);

const speeds = (binary) => serving({ binary, entry: example }, async ({ origin }) => {
  await generated(origin, SHORT);
  const prefill = await generated(origin, { prompt: ids(512, 29), max_tokens: 1, temperature: 0 });
  const decode = await generated(origin, { prompt: 'Once upon a time, in a village by the sea,', max_tokens: 128, temperature: 0 });
  const perSecond = (tokens, ms) => Number(((tokens * 1000) / ms).toFixed(1));
  return { decode_tokens_per_s: perSecond(decode.tokens - 1, decode.last - decode.first), prefill_tokens_per_s: perSecond(prefill.prompt, prefill.first - prefill.asked) };
});

async function main({ json, runs }) {
  const { EMBEDDED, estimate } = await import(join(root, 'dist', 'index.js'));
  const { binary, version } = await runtime('workerd');
  const reason = noMemoryFigures();
  if (reason !== null) throw new Error(`Cannot measure memory: ${reason}`);
  const growth = await memoryGrowth(binary);
  const { total } = await estimate(EMBEDDED, { context: 2048, threads: 1 });
  const starts = [];
  while (starts.length < Number(runs)) starts.push(await coldStart(binary));
  const figures = {
    resident_growth_bytes: growth.resident, linear_memory_bytes: total, cold_start_ms: Math.round(median(starts)), ...(await speeds(binary)),
    private_growth_bytes: growth.private, pss_growth_bytes: growth.pss, peak_growth_bytes: growth.peak, ...(await heapOf(binary)),
    cold_starts_ms: starts.map(Math.round), workerd: version,
  };
  if (json) console.log(JSON.stringify(figures));
  else console.log(`${Object.entries(figures).map(([name, value]) => `${name}\t${value}`).join('\n')}\n\n${METHOD}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main(parseArgs({ options: { json: { type: 'boolean' }, runs: { type: 'string', default: '5' } } }).values);
}
