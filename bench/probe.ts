import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { Isa } from '../src/kernels/manifest.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** What this machine can do at most, measured now. */
export interface Limits {
  /** 1e9 bytes per second on 1 and on 2 threads, SIMD read of 256 MB that was written before. */
  readonly stream: readonly [one: number, two: number];
  /** 1e9 multiply-accumulates per second of one thread, on registers: each path's dot instruction, and separate f32 multiply and add. */
  readonly dot: Readonly<Record<Isa | 'f32', number>>;
}

export interface StreamJob {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly from: number;
  readonly bytes: number;
  /** [0]: rounds begun, or -1 to end; [1]: rounds done by the worker. */
  readonly control: SharedArrayBuffer;
}

const PAGES = 4200;
const SIZE = 1 << 28;
const START = 65536;
const DATA = 1024;
const STEPS = 12;

/** The best of several rounds in milliseconds: a limit is what the machine does when nobody else uses it. */
function best(action: () => void, rounds: number): number {
  let time = Infinity;
  for (let i = 0; i < rounds; i++) {
    const start = performance.now();
    action();
    time = Math.min(time, performance.now() - start);
  }
  return time;
}

function buildProbe(): WebAssembly.Module {
  const [source, out] = [`${root}bench/assembly/probe.ts`, `${root}build/probe.wasm`];
  if (!existsSync(out) || statSync(out).mtimeMs < statSync(source).mtimeMs) {
    mkdirSync(`${root}build`, { recursive: true });
    const flags = ['-O3', '--runtime', 'stub', '--importMemory', '--sharedMemory', '--initialMemory', String(PAGES), '--maximumMemory', String(PAGES), '--noAssert'];
    const features = ['simd', 'threads', 'relaxed-simd'].flatMap((name) => ['--enable', name]);
    execFileSync(process.execPath, [`${root}node_modules/assemblyscript/bin/asc.js`, source, '--outFile', out, ...flags, '--use', 'abort=', ...features]);
  }
  return new WebAssembly.Module(new Uint8Array(readFileSync(out)));
}

/** Milliseconds in which two threads read `SIZE` bytes, half each. */
async function twoThreads(module: WebAssembly.Module, memory: WebAssembly.Memory, read: (from: number, bytes: number) => void, rounds: number): Promise<number> {
  const control = new SharedArrayBuffer(8);
  const flags = new Int32Array(control);
  const job: StreamJob = { module, memory, from: START + SIZE / 2, bytes: SIZE / 2, control };
  const worker = new Worker(new URL('probe-worker.ts', import.meta.url), { workerData: job });
  await once(worker, 'online');
  const begin = (value: number): void => {
    Atomics.store(flags, 0, value);
    Atomics.notify(flags, 0);
  };
  let round = 0;
  const result = best(() => {
    begin(++round);
    read(START, SIZE / 2);
    Atomics.wait(flags, 1, round - 1);
  }, rounds);
  begin(-1);
  await once(worker, 'exit');
  return result;
}

/** Builds and runs the probe; needs relaxed SIMD (Node 22 or newer). Takes about `rounds` times 0.3 s. */
export async function measureLimits(rounds = 5): Promise<Limits> {
  const module = buildProbe();
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: true });
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const call = exports as Record<string, (a: number, b: number) => number>;
  new Uint8Array(memory.buffer).fill(1);
  new Float32Array(memory.buffer, DATA, (STEPS + 1) * 4).fill(2 ** -20); // neither subnormal nor infinite after all rounds
  const repeats = 2_000_000;
  const macs = (name: string, perStep: number): number => (repeats * STEPS * perStep) / best(() => call[name]!(repeats, DATA), rounds) / 1e6;
  const read = (from: number, bytes: number): void => void call['streamRead']!(from, bytes);
  return {
    stream: [SIZE / best(() => read(START, SIZE), rounds) / 1e6, SIZE / (await twoThreads(module, memory, read, rounds)) / 1e6],
    dot: { simd128: macs('peakPlain', 8), 'relaxed-i16': macs('peakI16', 16), 'relaxed-i32': macs('peakI32', 16), f32: macs('peakF32', 4) },
  };
}

const dots = ['simd128', 'relaxed-i16', 'relaxed-i32', 'f32'] as const;

/** The higher of two measurements of each limit: other work on the machine can only hide one. */
export const higher = (a: Limits, b: Limits): Limits => ({
  stream: [Math.max(a.stream[0], b.stream[0]), Math.max(a.stream[1], b.stream[1])],
  dot: Object.fromEntries(dots.map((name) => [name, Math.max(a.dot[name], b.dot[name])])) as Limits['dot'],
});
