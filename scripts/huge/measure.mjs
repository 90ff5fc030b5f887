// Loads a container in so many memories, runs a fixed prompt and prints one JSON line; on Node, Bun or Deno.
// Arguments: folder, memories, threads.
import { createHash } from 'node:crypto';
import process from 'node:process';
import { openLocal } from '../../dist/surfaces/adapters/local-models.js';
import { platformOf } from '../../dist/surfaces/adapters/node.js';
import { decoderOf } from '../../dist/surfaces/loader.js';

const PROMPT = 70; // more than a page
const STEPS = 3;
const CONTEXT = 128;

const [folder, memories, threads] = process.argv.slice(2);
const platform = await platformOf({ threads: Number(threads) });
const start = performance.now();
const image = await openLocal(folder, platform);
const decoder = await decoderOf(image, { ...platform, context: CONTEXT, memories: memories === 'auto' ? 'auto' : Number(memories) });
const loaded = performance.now();

const logits = createHash('sha256');
let finite = true;
function run(tokens) {
  const row = decoder.forward(tokens);
  logits.update(new Uint8Array(row.buffer, row.byteOffset, row.byteLength).slice());
  finite &&= row.every(Number.isFinite);
  return row;
}
const prompt = Array.from({ length: PROMPT }, (_, i) => (i * 7919 + 13) % decoder.vocab);
let row;
for (let at = 0; at < PROMPT; at = decoder.position) row = run(prompt.slice(at, at + decoder.blockRoom()));
const prefilled = performance.now();
for (let i = 0; i < STEPS; i++) row = run([row.indexOf(Math.max(...row))]);
const ended = performance.now();

const cache = new Uint8Array(decoder.cacheBytes(decoder.position));
decoder.saveCache(decoder.position, cache);
const { Bun, Deno } = globalThis;
console.log(JSON.stringify({
  runtime: Bun ? 'bun' : Deno ? 'deno' : 'node', version: Bun?.version ?? Deno?.version.deno ?? process.versions.node,
  path: decoder.backend.path, threads: decoder.threads, asked: memories, memories: decoder.memories, finite,
  digest: logits.digest('hex'), cache: createHash('sha256').update(cache).digest('hex'),
  load_ms: Math.round(loaded - start), prefill_ms: Math.round(prefilled - loaded), decode_ms: Math.round((ended - prefilled) / STEPS), rss_bytes: process.memoryUsage().rss,
}));
await decoder.dispose();
process.exit(0);
