import { describe, expect, it } from 'vitest';
import type { Kernels, LinearMemory } from '../../src/backends/backend.ts';
import { referenceKernels } from '../../src/backends/reference/index.ts';
import { openWasm } from '../../src/backends/wasm/open.ts';
import { SEGMENT_BYTES } from '../../src/formats/descriptor.ts';
import { padded } from '../../src/formats/layout.ts';
import type { ActFormat, WeightFormat } from '../../src/formats/number-format.ts';
import { inputShape, writeSegments } from '../../src/kernels/segment.ts';
import { lcg } from '../support/linear.ts';
import { testModules } from '../support/modules.ts';

const modules = await testModules();
const weight = (block: 32 | 64 | 128): WeightFormat => ({ bits: 4, block, scale: 'f16', zero: 'mid' });
const act = (bits: 4 | 8, block: ActFormat['block'], clip = 1): ActFormat => ({ bits, block, clip });
const asymmetric = (bits: 4 | 8, block: ActFormat['block'], clip = 1): ActFormat => ({ ...act(bits, block, clip), zero: 'min' });
const row: WeightFormat = { bits: 4, block: 'row', scale: 'bf16', zero: 'mid' };

interface Case {
  readonly tokens: number;
  readonly segments: readonly { readonly length: number; readonly weight: WeightFormat; readonly act: ActFormat }[];
  readonly fill: (random: () => number, i: number) => number;
}

const uniform = (random: () => number): number => random() * 8 - 4;
const CASES: readonly (readonly [string, Case])[] = [
  ['8 bits, block 64 over weight blocks of 32, tail', { tokens: 3, segments: [{ length: 72, weight: weight(32), act: act(8, 64) }], fill: uniform }],
  ['4 and 8 bits, clip', {
    tokens: 2, segments: [{ length: 128, weight: weight(64), act: act(4, 128, 0.9) }, { length: 39, weight: weight(32), act: act(8, 32) }], fill: uniform,
  }],
  ['all zero', { tokens: 1, segments: [{ length: 64, weight: weight(64), act: act(8, 64) }], fill: () => 0 }],
  ['one-hot', { tokens: 1, segments: [{ length: 70, weight: weight(128), act: act(4, 128) }], fill: (_, i) => (i === 37 ? -5 : 0) }],
  ['tiny and huge', { tokens: 4, segments: [{ length: 66, weight: weight(32), act: act(8, 32) }], fill: (random, i) => uniform(random) * (i % 7 === 0 ? 1e30 : 1e-30) }],
  ['one scale for a row, tail', {
    tokens: 2, segments: [{ length: 208, weight: weight(128), act: act(8, 'row') }, { length: 75, weight: row, act: act(4, 'row', 0.8) }], fill: uniform,
  }],
  ['asymmetric, rows and blocks, tails', {
    tokens: 3, fill: (random, i) => uniform(random) + (i % 3),
    segments: [
      { length: 80, weight: weight(32), act: asymmetric(8, 64) }, { length: 96, weight: row, act: asymmetric(4, 'row', 0.9) },
      { length: 64, weight: weight(32), act: act(8, 32) }, { length: 77, weight: weight(32), act: asymmetric(4, 32) },
    ],
  }],
  ['asymmetric, one channel', { tokens: 1, segments: [{ length: 1, weight: weight(32), act: asymmetric(8, 32) }], fill: uniform }],
  ['asymmetric, constant', {
    tokens: 2, segments: [{ length: 48, weight: weight(32), act: asymmetric(8, 32) }, { length: 37, weight: row, act: asymmetric(4, 'row') }], fill: () => -0.7,
  }],
  ['asymmetric, all zero', { tokens: 1, segments: [{ length: 40, weight: weight(32), act: asymmetric(4, 'row') }], fill: (_, i) => (i % 2 ? 0 : -0) }],
  ['asymmetric, tiny and huge', {
    tokens: 4, segments: [{ length: 66, weight: weight(32), act: asymmetric(8, 32) }], fill: (random, i) => uniform(random) * (i % 7 === 0 ? 1e30 : 1e-30),
  }],
  ['static', {
    tokens: 3, fill: uniform,
    segments: [
      { length: 80, weight: weight(32), act: { ...act(8, 64), range: 'static' } }, { length: 96, weight: row, act: { ...asymmetric(4, 'row'), range: 'static' } },
      { length: 47, weight: weight(32), act: { ...asymmetric(8, 32), range: 'static' } },
    ],
  }],
  ['outliers in every format', {
    tokens: 3, fill: (random, i) => uniform(random) * (i % 11 === 4 ? 20 : 1),
    segments: [
      { length: 80, weight: weight(32), act: { ...act(8, 64), outliers: 6 } }, { length: 96, weight: row, act: { ...asymmetric(4, 'row'), outliers: 3.5 } },
      { length: 64, weight: row, act: { ...act(8, 'row'), range: 'static', outliers: 2 } }, { length: 79, weight: weight(32), act: { ...act(4, 'row'), outliers: 6 } },
    ],
  }],
  ['values beneath what f32 can invert', {
    tokens: 2, fill: (_, i) => (i % 5 === 0 ? 1e-42 : 0),
    segments: [{ length: 48, weight: weight(32), act: act(8, 32) }, { length: 37, weight: weight(32), act: asymmetric(4, 32) }],
  }],
  ['values that are not finite', {
    tokens: 6, fill: (random, i) => (i % 97 === 13 ? [NaN, Infinity, -Infinity][i % 3]! : uniform(random)),
    segments: [
      { length: 64, weight: weight(32), act: act(8, 32) }, { length: 64, weight: weight(32), act: asymmetric(8, 32) },
      { length: 64, weight: weight(32), act: { ...act(8, 32), range: 'static' } }, { length: 64, weight: weight(32), act: { ...asymmetric(4, 32), range: 'static' } },
      { length: 71, weight: weight(32), act: { ...act(4, 32), outliers: 3 } },
    ],
  }],
  ['ties between codes', { tokens: 1, segments: [{ length: 64, weight: weight(64), act: act(8, 64) }], fill: (_, i) => (i === 0 ? 127 : i - 31.5) }],
];

const X = 4096;
const INDEX = 65536;
const GAMMA = INDEX + 8192;
const VALUES = GAMMA + 8192;
const TABLE = VALUES + 65536;
const STATIC = TABLE + 4096;
const CODES = STATIC + 4096;

/** Every NaN as the same bits: engines may differ in its sign and payload. */
function canonical(bytes: Uint8Array): Uint8Array {
  const words = new Float32Array(bytes.buffer);
  words.forEach((value, i) => void (Number.isNaN(value) && (words[i] = NaN)));
  return bytes;
}

/** Runs a producer on both backends over the same input; outputs as bytes, codes to sums. */
function outputs(c: Case, call: (k: Kernels, length: number, index: number, rest: readonly number[]) => void, gathered: boolean, valuesStride: number): readonly Uint8Array[] {
  const random = lcg(17);
  const length = c.segments.reduce((sum, s) => sum + s.length, 0);
  const shape = inputShape(c.segments);
  const backend = openWasm(modules, 'simd128', 1 << 20);
  const { memory } = backend;
  for (let i = 0; i < c.tokens * length * 2; i++) memory.f32[(X >>> 2) + i] = Math.fround(c.fill(random, i));
  for (let i = 0; i < 1024; i++) memory.f32[(STATIC >>> 2) + i] = i % 2 ? uniform(random) / 8 : random() / 20;
  for (let i = 0; i < length; i++) {
    memory.i32[(INDEX >>> 2) + i] = (i * 5 + 3) % length;
    memory.f32[(GAMMA >>> 2) + i] = Math.fround(random() + 0.5);
  }
  writeSegments(memory, TABLE, c.segments.map((s, i) => ({ ...s, data: 0, rowScales: 0, actScales: s.act.range ? STATIC + 256 * i : 0 })));
  const stride = shape.blocks + shape.centres;
  const scales = CODES + c.tokens * shape.codes + 64;
  const sums = scales + c.tokens * stride * 4 + 64;
  const end = sums + c.tokens * stride * 4 + 64;
  const run = (kernels: Kernels, m: LinearMemory): Uint8Array => {
    m.u8.fill(0xa5, VALUES, TABLE);
    m.u8.fill(0xa5, CODES, end);
    call(kernels, length, gathered ? INDEX : 0, [VALUES, valuesStride, TABLE, c.segments.length, CODES, shape.codes, scales, sums, stride]);
    const values = m.u8.subarray(VALUES, VALUES + c.tokens * (valuesStride || padded(length)) * 4);
    return canonical(Uint8Array.from([...m.u8.subarray(CODES, end), ...values]));
  };
  return [run(backend.kernels, memory), run(referenceKernels(memory), memory)];
}

const PRODUCERS = {
  rmsnormQuant: (k: Kernels, length: number, index: number, rest: readonly number[], tokens: number) =>
    k.rmsnormQuant(X, length, tokens, length, GAMMA, 1e-5, index, ...(rest as Tail)),
  siluMulQuant: (k: Kernels, length: number, index: number, rest: readonly number[], tokens: number) =>
    k.siluMulQuant(X, 2 * length, tokens, length, index, ...(rest as Tail)),
  gatherQuant: (k: Kernels, length: number, index: number, rest: readonly number[], tokens: number) =>
    k.gatherQuant(X, length, tokens, length, index, ...(rest as Tail)),
};
type Tail = [number, number, number, number, number, number, number, number, number];

describe.each(Object.keys(PRODUCERS) as (keyof typeof PRODUCERS)[])('%s()', (name) => {
  it.each(CASES)('equals the reference byte for byte: %s', (_, c) => {
    for (const gathered of [false, true]) {
      for (const kept of [false, true]) {
        const length = c.segments.reduce((sum, s) => sum + s.length, 0);
        const [got, want] = outputs(c, (k, n, index, rest) => PRODUCERS[name](k, n, index, rest, c.tokens), gathered, kept ? padded(length) : 0);
        expect(got, `gathered ${gathered}, kept ${kept}`).toEqual(want);
      }
    }
  });
});

describe('gatherQuant()', () => {
  it('is within half a step of its input, and sums its codes', () => {
    const backend = openWasm(modules, 'simd128', 1 << 20);
    const { memory } = backend;
    const random = lcg(3);
    const x = Float32Array.from({ length: 128 }, () => uniform(random));
    memory.f32.set(x, X >>> 2);
    writeSegments(memory, TABLE, [{ length: 128, weight: weight(32), act: act(8, 64), data: 0, rowScales: 0 }]);
    expect(SEGMENT_BYTES).toBeLessThanOrEqual(4096);
    backend.kernels.gatherQuant(X, 128, 1, 128, 0, VALUES, 0, TABLE, 1, CODES, 128, CODES + 256, CODES + 512, 4);
    for (let block = 0; block < 4; block++) {
      const scale = memory.f32[((CODES + 256) >>> 2) + block]!;
      const peak = Math.max(...x.subarray((block >> 1) * 64, (block >> 1) * 64 + 64).map(Math.abs));
      expect(scale).toBeCloseTo(peak / 127, 6);
      let sum = 0;
      for (let k = block * 32; k < block * 32 + 32; k++) {
        const code = memory.i8[CODES + k]!;
        sum += code;
        expect(Math.abs(code * scale - x[k]!)).toBeLessThanOrEqual(scale * 0.50001);
      }
      expect(memory.i32[((CODES + 512) >>> 2) + block]).toBe(sum);
    }
  });
});
