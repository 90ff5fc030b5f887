/**
 * Several sequences over one decoder of the embedded model: one token of each in a pass, beside one alone.
 * Usage: npm run bench -- batch [--rounds 5] [--threads 1] [--counts 1,2,4,8,16] [--depth 32] [--steps 16] [--json]
 */
import { parseArgs } from 'node:util';
import { openLocal } from '../src/surfaces/adapters/local-models.ts';
import { EMBEDDED, platformOf } from '../src/surfaces/adapters/node.ts';
import { createDecoder } from '../src/runtime/decoder.ts';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' }, threads: { type: 'string', default: '1' }, counts: { type: 'string', default: '1,2,4,8,16' },
    depth: { type: 'string', default: '32' }, steps: { type: 'string', default: '16' }, json: { type: 'boolean', default: false },
  },
});
const [rounds, depth, steps] = [Number(options.rounds), Number(options.depth), Number(options.steps)];
const counts = options.counts.split(',').map(Number);
const most = Math.max(...counts);

const platform = await platformOf({ threads: Number(options.threads), onNote: (note) => process.stderr.write(`Note: ${note}\n`) });
const image = await openLocal(EMBEDDED, platform);
const plan = { context: depth + steps, kv: image.manifest.kv, sequences: most, logitRows: most };
const decoder = await createDecoder(image, platform.open, { ...plan, threads: platform.threads, host: platform.host });
await image.close();

const token = (t: number, sequence: number): number => (t * 7919 + sequence * 31) % decoder.vocab;

/** Milliseconds of a step of so many sequences, each after `depth` tokens of its own. */
function stepMs(count: number): number {
  const sequences = Array.from({ length: count }, (_, sequence) => sequence);
  for (const sequence of sequences) {
    decoder.truncate(0, sequence);
    for (let t = 0; t < depth; ) {
      const size = Math.min(depth - t, decoder.blockRoom(sequence));
      decoder.forward(Array.from({ length: size }, (_, i) => token(t + i, sequence)), sequence);
      t += size;
    }
  }
  const start = performance.now();
  for (let step = 0; step < steps; step++) decoder.step(sequences.map((sequence) => token(depth + step, sequence)), sequences);
  return (performance.now() - start) / steps;
}

const best = counts.map(() => Infinity);
for (const count of counts) stepMs(count); // to warm up
for (let round = 0; round < rounds; round++) for (const [i, count] of counts.entries()) best[i] = Math.min(best[i]!, stepMs(count));
await decoder.dispose();

const rows = counts.map((count, i) => ({ sequences: count, ms: best[i]!, tokensPerSecond: (count * 1000) / best[i]! }));
if (options.json) {
  console.log(JSON.stringify({ threads: decoder.threads, rows }));
} else {
  console.log(`node ${process.versions.node}, ${decoder.backend.path}, ${decoder.threads} threads, best of ${rounds} rounds of ${steps} steps at depth ${depth}\n`);
  console.log('| sequences | ms a step | tokens/s together | beside the first row |\n|---:|---:|---:|---:|');
  for (const { sequences, ms, tokensPerSecond } of rows) {
    console.log(`| ${sequences} | ${ms.toFixed(1)} | ${tokensPerSecond.toFixed(0)} | ${(tokensPerSecond / rows[0]!.tokensPerSecond).toFixed(2)}x |`);
  }
}
