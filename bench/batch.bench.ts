/** Several sequences over one decoder of the embedded model: one token of each in a pass, beside one alone. Usage: npm run bench -- batch [ROUNDS] */
import { openLocal } from '../src/surfaces/adapters/local-models.ts';
import { EMBEDDED, opener } from '../src/surfaces/adapters/node.ts';
import { createDecoder } from '../src/runtime/decoder.ts';

const rounds = Number(process.argv[2] ?? 5);
const COUNTS = [1, 2, 4, 8, 16];
const MOST = COUNTS.at(-1)!;
const [DEPTH, STEPS] = [32, 16];

const open = await opener();
const image = await openLocal(EMBEDDED, { open });
const decoder = await createDecoder(image, open, { context: 128, kv: image.manifest.kv, sequences: MOST, logitRows: MOST });
const best = COUNTS.map(() => Infinity);
for (let round = 0; round < rounds; round++) {
  for (const [i, count] of COUNTS.entries()) {
    const sequences = Array.from({ length: count }, (_, sequence) => sequence);
    for (const sequence of sequences) {
      decoder.truncate(0, sequence);
      decoder.forward(Array.from({ length: DEPTH }, (_, t) => (t * 7919 + sequence * 31) % decoder.vocab), sequence);
    }
    const start = performance.now();
    for (let step = 0; step < STEPS; step++) decoder.step(sequences.map((sequence) => (step * 101 + sequence * 31) % decoder.vocab), sequences);
    best[i] = Math.min(best[i]!, (performance.now() - start) / STEPS);
  }
}
console.log(`node ${process.versions.node}, ${decoder.backend.path}, best of ${rounds} rounds of ${STEPS} steps at depth ${DEPTH}\n`);
console.log('| sequences | ms a step | tokens/s together | beside one |\n|---:|---:|---:|---:|');
for (const [i, count] of COUNTS.entries()) {
  console.log(`| ${count} | ${best[i]!.toFixed(1)} | ${((count * 1000) / best[i]!).toFixed(0)} | ${((count * best[0]!) / best[i]!).toFixed(2)}x |`);
}
