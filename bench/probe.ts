import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Isa } from '../src/kernels/manifest.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** What one thread of this machine can do at most, measured now. */
export interface Limits {
  /** 1e9 bytes per second, SIMD read of 256 MB that was written before. */
  readonly stream: number;
  /** 1e9 multiply-accumulates per second of each path's dot instruction, on registers. */
  readonly dot: Readonly<Record<Isa, number>>;
}

const best = (action: () => void, rounds: number): number => {
  let time = Infinity;
  for (let i = 0; i < rounds; i++) {
    const start = performance.now();
    action();
    time = Math.min(time, performance.now() - start);
  }
  return time;
};

/** Builds and runs the probe. Needs relaxed SIMD (Node 22 or newer). */
export function measureLimits(): Limits {
  mkdirSync(`${root}build`, { recursive: true });
  const out = `${root}build/probe.wasm`;
  const asc = [`${root}node_modules/assemblyscript/bin/asc.js`, `${root}bench/assembly/probe.ts`, '--outFile', out, '-O3', '--runtime', 'stub'];
  execFileSync(process.execPath, [...asc, '--importMemory', '--noAssert', '--use', 'abort=', '--enable', 'simd', '--enable', 'relaxed-simd']);
  const memory = new WebAssembly.Memory({ initial: 4200 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(readFileSync(out))), { env: { memory } });
  const call = exports as Record<string, (a: number, b: number) => number>;
  const bytes = new Uint8Array(memory.buffer);
  bytes.fill(1);
  const size = 1 << 28;
  const rounds = 2_000_000;
  const macs = (name: string, perDot: number): number => (rounds * 12 * perDot) / best(() => call[name]!(rounds, 1024), 5) / 1e6;
  return {
    stream: size / best(() => call['streamRead']!(65536, size), 5) / 1e6,
    dot: { simd128: macs('peakPlain', 8), 'relaxed-i16': macs('peakI16', 16), 'relaxed-i32': macs('peakI32', 16) },
  };
}
