/**
 * Every GEMM path over the shapes of a real model: verified against the plain path, then timed, beside the limits measured in the same run.
 * Weights of the one-token rows are spread over many copies, so that they come from memory as in decoding.
 */
import { readFileSync } from 'node:fs';
import { GEMM_SCRATCH, type Kernels } from '../src/backends/backend.ts';
import { openWasm } from '../src/backends/wasm/open.ts';
import { selfTest } from '../src/backends/wasm/self-test.ts';
import { panelBytes } from '../src/formats/layout.ts';
import type { ActFormat, WeightFormat } from '../src/formats/number-format.ts';
import type { Isa } from '../src/kernels/manifest.ts';
import { placeLinear, type PlacedLinear } from '../test/support/linear.ts';
import { testModules } from '../test/support/modules.ts';
import { measureLimits } from './probe.ts';

interface Shape { readonly site: string; readonly rows: number; readonly cols: number }

const shapes = JSON.parse(readFileSync(new URL('shapes/smollm2-135m.json', import.meta.url), 'utf8')) as Shape[];
const a8: ActFormat = { bits: 8, block: 64, clip: 1 };
const a4: ActFormat = { bits: 4, block: 64, clip: 1 };
const u4: WeightFormat = { bits: 4, block: 32, scale: 'u8', zero: 'min' };
const MIXES: readonly (readonly [string, WeightFormat, readonly (readonly [number, ActFormat])[]])[] = [
  ['W4A8', u4, [[1, a8]]],
  ['W4A4', u4, [[1, a4]]],
  ['W4A4 3/4 + A8 1/4', u4, [[0.75, a4], [0.25, a8]]],
  ['W6A8', { bits: 6, block: 64, scale: 'f16', zero: 'mid' }, [[1, a8]]],
  ['W8A8', { bits: 8, block: 64, scale: 'f16', zero: 'mid' }, [[1, a8]]],
];
const SCRATCH = 1024;
const COPIES_BYTES = 64 << 20;

const limits = measureLimits();
const modules = await testModules();
const paths = selfTest(modules, () => performance.now()).filter((p) => p.fault === null).map((p) => p.isa);
console.log(`node ${process.versions.node}; stream ${limits.stream.toFixed(1)} GB/s; dot peak ${JSON.stringify(limits.dot, (_, x: unknown) => (typeof x === 'number' ? Number(x.toFixed(1)) : x))} GMAC/s\n`);
console.log('| kernel | site | tokens | path | GMAC/s | of dot peak | weights GB/s | of stream |\n|---|---|---:|---|---:|---:|---:|---:|');

for (const [label, weight, parts] of MIXES) {
  for (const { site, rows, cols } of shapes) {
    for (const tokens of [1, 4, 64]) {
      const segments = parts.map(([share, act], i) => {
        const from = Math.round((cols * parts.slice(0, i).reduce((sum, [s]) => sum + s, 0)) / 64) * 64;
        const to = i === parts.length - 1 ? cols : Math.round((cols * parts.slice(0, i + 1).reduce((sum, [s]) => sum + s, 0)) / 64) * 64;
        return { length: to - from, weight, act: { ...act, block: Math.max(act.block, weight.block) as ActFormat['block'] }, share };
      });
      const bytes = segments.reduce((sum, s) => sum + panelBytes(s.weight, s.length), 0) * Math.ceil(rows / 16);
      const copies = tokens === 1 ? Math.ceil(COPIES_BYTES / bytes) : 1;
      let expected: Uint8Array | null = null;
      for (const isa of [...paths].reverse()) {
        const backend = openWasm(modules, isa, SCRATCH + GEMM_SCRATCH + copies * (bytes * 1.2 + (1 << 20)));
        const placed: PlacedLinear[] = [];
        for (let i = 0, base = SCRATCH + GEMM_SCRATCH; i < copies; i++) {
          const p = placeLinear(backend.memory, base, { rows, tokens, segments }, 1);
          placed.push(p);
          base = p.end;
        }
        const run = (k: Kernels, p: PlacedLinear): void =>
          k.gemm(p.table, p.count, p.codes, p.codesStride, p.scales, p.sums, p.blocks, p.out, p.outStride, tokens, 0, p.panels, 0, SCRATCH);
        run(backend.kernels, placed[0]!);
        const result = backend.memory.u8.slice(placed[0]!.out, placed[0]!.out + tokens * placed[0]!.outStride * 4);
        expected ??= result;
        if (!expected.every((value, i) => value === result[i])) throw new Error(`${label} ${site} ${tokens}: ${isa} differs`);
        print(label, site, tokens, isa, rows * cols * tokens, bytes, time(() => placed.forEach((p) => run(backend.kernels, p))) / copies);
      }
    }
  }
}

/** Milliseconds of one call: the median of 5 rounds of at least 20 ms. */
function time(action: () => void): number {
  const start = performance.now();
  action();
  const repeats = Math.max(1, Math.ceil(20 / (performance.now() - start)));
  const rounds = Array.from({ length: 5 }, () => {
    const from = performance.now();
    for (let i = 0; i < repeats; i++) action();
    return (performance.now() - from) / repeats;
  });
  return rounds.sort((x, y) => x - y)[2]!;
}

function print(label: string, site: string, tokens: number, isa: Isa, macs: number, bytes: number, ms: number): void {
  const rate = macs / ms / 1e6;
  const traffic = bytes / ms / 1e6;
  const percent = (share: number): string => `${(share * 100).toFixed(0)} %`;
  console.log(`| ${label} | ${site} | ${tokens} | ${isa} | ${rate.toFixed(1)} | ${percent(rate / limits.dot[isa])} | ${traffic.toFixed(1)} | ${tokens === 1 ? percent(traffic / limits.stream) : '-'} |`);
}
