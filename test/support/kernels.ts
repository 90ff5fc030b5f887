import { expect } from 'vitest';
import type { Backend, Kernels, LinearMemory } from '../../src/backends/backend.ts';
import { openReference } from '../../src/backends/reference/index.ts';
import { openWasm } from '../../src/backends/wasm/open.ts';
import { selfTest } from '../../src/backends/wasm/self-test.ts';
import type { Isa } from '../../src/kernels/manifest.ts';
import { lcg, type Random } from './linear.ts';
import { testModules } from './modules.ts';

const modules = await testModules();

/** The paths that work here. */
export const PATHS: readonly Isa[] = selfTest(modules, () => performance.now()).filter(({ fault }) => fault === null).map(({ isa }) => isa);

/** The scalar kernels and those of a path, each over a memory of its own (whole pages). */
export function pair(bytes: number, isa: Isa = 'simd128'): { readonly reference: Backend; readonly wasm: Backend } {
  const whole = Math.ceil(bytes / 65536) * 65536;
  return { reference: openReference(whole), wasm: openWasm(modules, isa, whole) };
}

/** A range that a call may change. `ignore`: scratch. `nan`: f32 words, where any NaN equals any other (engines may differ in its sign and payload). */
export type Region = readonly [from: number, bytes: number, check?: 'ignore' | 'nan'];

/**
 * Runs `call` on both backends over the same memory image, in which all that `fill` leaves alone is 0xff bytes (NaN as f32), and expects the same
 * bytes in every region, given in ascending order, and all other bytes as before. Returns the SIMD kernels' memory.
 */
export function expectSame(
  bytes: number, fill: (memory: LinearMemory) => void, call: (kernels: Kernels) => void, regions: readonly Region[], isa: Isa = 'simd128',
): LinearMemory {
  const { reference, wasm } = pair(bytes, isa);
  for (const { memory } of [reference, wasm]) {
    memory.u8.fill(0xff);
    fill(memory);
  }
  const before = reference.memory.u8.slice();
  for (const { kernels } of [reference, wasm]) call(kernels);
  let end = 0;
  for (const [from, length, check] of [...regions, [before.length, 0] satisfies Region]) {
    for (const { memory, name } of [reference, wasm]) expectBytes(memory.u8.subarray(end, from), before.subarray(end, from), `${name} at ${end}, not to be written`);
    end = from + length;
    const view = ({ memory }: Backend): Uint8Array => (check === 'nan' ? canonical(memory, from, end) : memory.u8.subarray(from, end));
    if (check !== 'ignore') expectBytes(view(wasm), view(reference), `output at ${from}`);
  }
  return wasm.memory;
}

function canonical(memory: LinearMemory, from: number, to: number): Uint8Array {
  const words = memory.i32.slice(from >>> 2, to >>> 2);
  for (let i = 0; i < words.length; i++) if (Number.isNaN(memory.f32[(from >>> 2) + i]!)) words[i] = 0x7fc00000;
  return new Uint8Array(words.buffer);
}

function expectBytes(got: Uint8Array, want: Uint8Array, what: string): void {
  if (Buffer.compare(got, want) === 0) return;
  const at = got.findIndex((byte, i) => byte !== want[i]);
  expect.fail(`${what}: byte ${at} of ${want.length} is ${got[at]}, expected ${want[at]}`);
}

/** Kinds of input that kernels must agree on; `i` counts values. */
export const FILLS = {
  random: (random) => random() * 8 - 4,
  zeros: () => 0,
  constant: () => 3.30078125,
  'one-hot': (_, i) => (i % 37 === 11 ? -5.25 : 0),
  tiny: (random) => (random() - 0.5) * 1e-30,
  huge: (random) => (random() - 0.5) * 1e15,
  mixed: (random, i) => (random() - 0.5) * (i % 5 === 0 ? 300 : 0.01),
} satisfies Record<string, (random: Random, i: number) => number>;

export type Fill = keyof typeof FILLS;
export const FILL_NAMES = Object.keys(FILLS) as Fill[];

/** Writes `count` f32 values at `at`, the same for the same seed. */
export function fillF32(memory: LinearMemory, at: number, count: number, kind: Fill, seed: number): void {
  const random = lcg(seed);
  for (let i = 0; i < count; i++) memory.f32[(at >>> 2) + i] = FILLS[kind](random, i);
}
