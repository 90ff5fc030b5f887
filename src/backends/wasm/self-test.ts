import { TetradError } from '../../core/errors.ts';
import { codeBytes, headerBytes, headerFlags, panelBytes } from '../../formats/layout.ts';
import type { WeightFormat } from '../../formats/number-format.ts';
import type { Isa } from '../../kernels/manifest.ts';
import { writeSegments } from '../../kernels/segment.ts';
import { gemmScratchBytes, type Backend, type Kernels, type LinearMemory } from '../backend.ts';
import { openWasm, type WasmModules } from './open.ts';

/** What the self-test found out about one path. */
export interface PathReport {
  readonly isa: Isa;
  /** null: usable. Otherwise why not. */
  readonly fault: string | null;
  /** Multiply-accumulates per second, in 1e9, of the path's dot product on registers; 0 if unusable. */
  readonly gmacs: number;
}

export const PATHS: readonly Isa[] = ['relaxed-i32', 'relaxed-i16', 'simd128'];
const FORMAT = { bits: 4, block: 32, scale: 'f16', zero: 'mid' } as const satisfies WeightFormat;
const K = 256;
const ROWS = 64;
const TOKENS = 4;

const HEADER = headerBytes(headerFlags(FORMAT));
const BLOCK = HEADER + codeBytes(FORMAT.bits, FORMAT.block);

/** Addresses of the test's parts in a fresh memory. */
const WEIGHTS = 4096;
const CODES = WEIGHTS + (ROWS / 16) * panelBytes(FORMAT, K);
const SCALES = CODES + TOKENS * K;
const SUMS = SCALES + TOKENS * (K / 32) * 4;
const OUT = SUMS + TOKENS * (K / 32) * 4;
const SCRATCH = OUT + TOKENS * ROWS * 4;
const BYTES = SCRATCH + gemmScratchBytes(K, 1);

/** Weights and activations over the whole range of codes, extremes together: +-127 meets 15. Scales are 1, so all results are exact integers. */
function fill(memory: LinearMemory): void {
  const segment = { length: K, weight: FORMAT, act: { bits: 8, block: 64, clip: 1 }, data: WEIGHTS, rowScales: 0 } as const;
  writeSegments(memory, 64, [segment]);
  const blocks = (CODES - WEIGHTS) / BLOCK;
  for (let b = 0; b < blocks; b++) {
    const at = WEIGHTS + b * BLOCK;
    memory.u16.fill(0x3c00, at / 2, at / 2 + 16); // f16 1.0
    for (let i = HEADER; i < BLOCK; i++) memory.u8[at + i] = i % 3 === 0 ? 0xff : (i * 37 + b * 11) & 0xff;
  }
  for (let i = 0; i < TOKENS * K; i++) memory.i8[CODES + i] = i % 5 === 0 ? -127 : i % 2 === 0 ? 127 : ((i * 29) % 255) - 127;
  memory.f32.fill(1, SCALES / 4, SUMS / 4);
  for (let b = 0; b < (TOKENS * K) / 32; b++) {
    let sum = 0;
    for (let i = 0; i < 32; i++) sum += memory.i8[CODES + b * 32 + i]!;
    memory.i32[SUMS / 4 + b] = sum;
  }
}

const run = (kernels: Kernels): void => kernels.gemm(64, 1, CODES, K, SCALES, SUMS, K / 32, OUT, ROWS, TOKENS, 0, ROWS / 16, 0, SCRATCH);

/** Index of the first output that differs from plain integer arithmetic, or -1. */
function firstWrong(memory: LinearMemory): number {
  for (let i = 0; i < TOKENS * ROWS; i++) {
    const token = Math.floor(i / ROWS);
    const row = i % ROWS;
    let sum = 0;
    for (let k = 0; k < K; k++) {
      const block = WEIGHTS + (row >> 4) * panelBytes(FORMAT, K) + (k >> 5) * BLOCK + HEADER;
      const byte = memory.u8[block + ((k & 31) >> 3) * 64 + ((row & 15) >> 2) * 16 + (row & 3) * 4 + (k & 3)]!;
      sum += memory.i8[CODES + token * K + k]! * ((k & 4 ? byte >> 4 : byte & 15) - 8);
    }
    if (memory.f32[OUT / 4 + i] !== sum) return i;
  }
  return -1;
}

/** Opens a path and checks its result. */
function check(modules: WasmModules, isa: Isa): { readonly isa: Isa; readonly fault: string | null; readonly round: () => void } {
  const unusable = (fault: string): ReturnType<typeof check> => ({ isa, fault, round: () => {} });
  let backend: Backend;
  try {
    backend = openWasm(modules, isa, BYTES);
  } catch (error) {
    return unusable(error instanceof Error ? error.message : String(error));
  }
  fill(backend.memory);
  run(backend.kernels);
  const wrong = firstWrong(backend.memory);
  if (wrong >= 0) return unusable(`wrong result at output ${wrong}`);
  return { isa, fault: null, round: () => backend.kernels.dotRate(TURNS, SCRATCH) };
}

/**
 * Turns of the timed loop in a round, some 0.1 ms. What is timed is the dot product alone: its loop is small, so that engines have optimised it after a
 * few rounds, where the whole GEMM would run as baseline code for longer than the test may take.
 */
const TURNS = 20_000;
const ROUNDS = 12;
/** Multiply-accumulates of a turn. */
const MACS: Readonly<Record<Isa, number>> = { simd128: 64, 'relaxed-i16': 128, 'relaxed-i32': 128 };

/** Rounds of all paths take turns, so that a change of clock rate meets all of them; the best round counts. */
function measure(modules: WasmModules, now: () => number): readonly PathReport[] {
  const checked = PATHS.map((isa) => ({ ...check(modules, isa), best: Infinity }));
  for (let round = 0; round < ROUNDS; round++) {
    for (const path of checked) {
      const start = now();
      path.round();
      path.best = Math.min(path.best, now() - start);
    }
  }
  const rate = ({ isa, best }: (typeof checked)[number]): number => (best > 0 ? (MACS[isa] * TURNS) / best / 1e6 : 0);
  return checked.map((path) => ({ isa: path.isa, fault: path.fault, gmacs: path.fault === null ? rate(path) : 0 }));
}

const reports = new WeakMap<WebAssembly.Module, readonly PathReport[]>();

/** Tries every path once per process: right answer first, then speed. A wrong path counts as not available. */
export function selfTest(modules: WasmModules, now: () => number): readonly PathReport[] {
  const known = reports.get(modules.simd128);
  if (known) return known;
  const fresh = measure(modules, now);
  reports.set(modules.simd128, fresh);
  return fresh;
}

/** The fastest right path; where a clock stands still, the first right one in the order relaxed i32, relaxed i16, plain. */
export function bestPath(tested: readonly PathReport[]): Isa {
  const usable = tested.filter((report) => report.fault === null);
  const first = usable[0];
  if (!first) throw new TetradError('no_kernel', `Cannot choose kernels: ${tested.map((r) => `${r.isa}: ${r.fault}`).join('; ')}`);
  return usable.reduce((best, report) => (report.gmacs > best.gmacs ? report : best), first).isa;
}
