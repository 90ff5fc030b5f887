/**
 * The embedded model beside the limits of the machine, measured in the same run: prefill against the dot peak, decoding against the stream bandwidth.
 * Usage: npm run bench -- model [REPETITIONS]
 */
import { EMBEDDED, opener } from '../src/surfaces/adapters/node.ts';
import { openLocal } from '../src/surfaces/adapters/local-models.ts';
import { runBench, type BenchTest } from '../src/surfaces/cli/bench-run.ts';
import { decoderOf } from '../src/surfaces/loader.ts';
import type { Isa } from '../src/kernels/manifest.ts';
import { measureLimits } from './probe.ts';

const repetitions = Number(process.argv[2] ?? 5);
const limits = measureLimits();
const open = await opener();
const image = await openLocal(EMBEDDED, { open });
const decoder = await decoderOf(image, { open, context: 2048 });
const isa = decoder.backend.path as Isa;
const { linears, bytes } = image.manifest;
const macs = (names: (name: string) => boolean): number =>
  Object.entries(linears).filter(([name]) => names(name)).reduce((sum, [, { rows, cols }]) => sum + rows * cols, 0);
const [blocks, output] = [macs((name) => name.startsWith('layers.')), macs((name) => name === 'output')];

console.log(`node ${process.versions.node}, ${isa}, 1 thread; stream ${limits.stream.toFixed(1)} GB/s, dot peak ${limits.dot[isa].toFixed(1)} GMAC/s, memory ${decoder.backend.memory.buffer.byteLength} bytes\n`);
console.log('| test | tokens/s, median (range) | linear layers GMAC/s | of dot peak | weights GB/s | of stream |\n|---|---:|---:|---:|---:|---:|');
const tests: readonly BenchTest[] = [
  { prompt: 512, gen: 0, depth: 0 }, { prompt: 2048, gen: 0, depth: 0 }, { prompt: 0, gen: 128, depth: 0 }, { prompt: 0, gen: 64, depth: 512 }, { prompt: 0, gen: 64, depth: 1920 },
];
for (const test of tests) {
  const samples = await runBench(decoder, test, repetitions, () => performance.now(), new AbortController().signal);
  const tokens = test.prompt + test.gen;
  const rates = samples.map((ns) => (tokens * 1e9) / ns).sort((a, b) => a - b);
  const median = rates[Math.floor(rates.length / 2)]!;
  const name = (test.prompt ? `pp${test.prompt}` : `tg${test.gen}`) + (test.depth ? ` @ d${test.depth}` : '');
  const gmacs = (median * (test.gen ? blocks + output : blocks + (output * Math.ceil(tokens / 64)) / tokens)) / 1e9;
  const traffic = test.gen ? (median * bytes) / 1e9 : null;
  const share = (value: number): string => `${(value * 100).toFixed(0)} %`;
  console.log(
    `| ${name} | ${median.toFixed(1)} (${rates[0]!.toFixed(1)}-${rates.at(-1)!.toFixed(1)}) | ${gmacs.toFixed(1)} | ${share(gmacs / limits.dot[isa])} `
    + `| ${traffic === null ? '-' : traffic.toFixed(1)} | ${traffic === null ? '-' : share(traffic / limits.stream)} |`,
  );
}
