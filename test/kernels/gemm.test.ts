import { describe, expect, it } from 'vitest';
import type { Kernels } from '../../src/backends/backend.ts';
import { gemmScratchBytes } from '../../src/backends/backend.ts';
import { referenceKernels } from '../../src/backends/reference/index.ts';
import { openWasm } from '../../src/backends/wasm/open.ts';
import { selfTest } from '../../src/backends/wasm/self-test.ts';
import type { ActFormat, WeightFormat } from '../../src/formats/number-format.ts';
import type { Isa } from '../../src/kernels/manifest.ts';
import { testModules } from '../support/modules.ts';
import { placeLinear, type Extremes, type LinearCase } from '../support/linear.ts';

const modules = await testModules();
const SCRATCH = 1024;
const MOST_CHANNELS = 2048;
const BASE = SCRATCH + gemmScratchBytes(MOST_CHANNELS, 3);
const paths = selfTest(modules, () => performance.now()).filter((p) => p.fault === null).map((p) => p.isa);

const HEADERS: readonly Pick<WeightFormat, 'scale' | 'zero'>[] = (['f16', 'u8'] as const).flatMap((scale) =>
  (['mid', 'int', 'min'] as const).map((zero) => ({ scale, zero })));
/** One scale per row. */
const ROWS = (['mid', 'min'] as const).map((zero) => ({ block: 'row', scale: 'bf16', zero }) as const);
const a = (bits: 4 | 8, block: ActFormat['block']): ActFormat => ({ bits, block, clip: 1 });
/** Every kind of sum at the ends of its range. */
const EXTREMES: readonly Extremes[] = (['most', 'least'] as const).flatMap((codes) => ([0, 255] as const).map((weights) => ({ codes, weights })));

const GUARD = 64;

/** Both kernels over one memory image; the bytes of each result and of the guards around it. Inputs, and what lies behind the scratch, must stay. */
function results(isa: Isa, shape: LinearCase, seed: number, residual: 0 | 1, extremes: Extremes | null = null): readonly [Uint8Array, Uint8Array] {
  const backend = openWasm(modules, isa, 8 << 20);
  const { memory } = backend;
  const p = placeLinear(memory, BASE, shape, seed, extremes);
  const scratchEnd = SCRATCH + gemmScratchBytes(p.codesStride, p.count);
  memory.u8.fill(0xa5, scratchEnd, scratchEnd + GUARD);
  memory.u8.fill(0xa5, SCRATCH - GUARD, SCRATCH);
  const inputs = memory.u8.slice(BASE, p.out - GUARD);
  const from = p.out >>> 2;
  const length = shape.tokens * p.outStride;
  const run = (kernels: Kernels): Uint8Array => {
    memory.f32.fill(0.375, from - GUARD / 4, from + length + GUARD / 4);
    kernels.gemm(p.table, p.count, p.codes, p.codesStride, p.scales, p.sums, p.blocks, p.out, p.outStride, shape.tokens, 0, p.panels, residual, SCRATCH);
    return memory.u8.slice(p.out - GUARD, p.out + length * 4 + GUARD);
  };
  const pair = [run(backend.kernels), run(referenceKernels(memory))] as const;
  const guards = [...memory.u8.subarray(SCRATCH - GUARD, SCRATCH), ...memory.u8.subarray(scratchEnd, scratchEnd + GUARD)];
  expect(guards.every((byte) => byte === 0xa5), 'bytes around the scratch stay').toBe(true);
  expect(Buffer.compare(inputs, memory.u8.subarray(BASE, p.out - GUARD)), 'inputs stay').toBe(0);
  return pair;
}

describe.each(paths)('gemm on %s', (isa) => {
  it.each([4, 6, 8] as const)('equals the reference byte for byte: %d-bit weights, every header, 4- and 8-bit blocks in one call', (bits) => {
    let seed = bits;
    for (const header of HEADERS) {
      for (const tokens of [1, 4, 7]) {
        const shape: LinearCase = {
          rows: 24, tokens,
          segments: [
            { length: 128, weight: { bits, block: 64, ...header }, act: a(4, 128) },
            { length: 40, weight: { bits, block: 32, ...header }, act: a(8, 32) },
          ],
        };
        const [got, want] = results(isa, shape, seed++, tokens === 4 ? 1 : 0);
        expect(got, `${header.scale} ${header.zero}, ${tokens} tokens`).toEqual(want);
      }
    }
  });

  it.each([[16, 16], [8, 128], [48, 7], [1, 576]])('equals the reference over rows %d and K %d: tails of panels and blocks', (rows, length) => {
    for (const tokens of [1, 2, 3, 5, 9]) {
      const weight = { bits: 4, block: 128, scale: 'f16', zero: 'min' } as const;
      const [got, want] = results(isa, { rows, tokens, segments: [{ length, weight, act: a(8, 128) }] }, rows + length + tokens, 0);
      expect(got).toEqual(want);
    }
  });

  it.each([
    ['one sub-block, one fold', 32, 32, 32], ['folds of two', 128, 32, 64], ['folds of four', 256, 32, 128], ['a fold left over', 160, 32, 64],
    ['blocks of 64', 192, 64, 64], ['blocks of 64 in folds of two', 320, 64, 128], ['blocks of 128', 200, 128, 128], ['several chunks', 1600, 32, 64],
    ['chunks and a tail', 1544, 64, 128], ['a tail of a block', 600, 32, 128],
  ] as const)('equals the reference over every kind of fold: %s', (_, length, block, actBlock) => {
    for (const header of [HEADERS[0]!, HEADERS[3]!, HEADERS[4]!, HEADERS[5]!]) {
      for (const bits of [4, 6, 8] as const) {
        for (const act of [4, 8] as const) {
          const tokens = [1, 2, 5, 9][(length / 8 + bits + act) % 4]!;
          const shape: LinearCase = { rows: 24, tokens, segments: [{ length, weight: { bits, block, ...header }, act: a(act, actBlock) }] };
          const [got, want] = results(isa, shape, length + bits + act, 0);
          expect(Buffer.compare(got, want), `${bits} bits, ${header.scale} ${header.zero}, A${act}, ${tokens} tokens`).toBe(0);
        }
      }
    }
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 33, 63, 64])('equals the reference for %d tokens, with 4-bit and 8-bit activations in one call', (tokens) => {
    const weight = { bits: 4, block: 32, scale: 'u8', zero: 'min' } as const;
    const segments = [{ length: 48, weight, act: a(4, 64) }, { length: 64, weight, act: a(8, 64) }, { length: 40, weight, act: a(4, 32) }];
    const shape: LinearCase = { rows: 40, tokens, segments };
    for (const extremes of [null, ...EXTREMES]) {
      const [got, want] = results(isa, shape, tokens, tokens % 2 ? 1 : 0, extremes);
      expect(Buffer.compare(got, want)).toBe(0);
    }
  });

  it.each([16, 40, 64, 96, 160, 640, 1560] as const)('equals the reference with one activation scale for %d channels, whatever the weight blocks', (length) => {
    for (const header of HEADERS.slice(2)) {
      for (const block of [32, 64, 128] as const) {
        for (const bits of [4, 6, 8] as const) {
          const tokens = [1, 3, 6, 9][(length / 8 + bits + block / 32) % 4]!;
          const act = { ...a(block === 64 ? 4 : 8, 'row'), ...(bits === 6 ? {} : { zero: 'min' as const }) };
          const weight: WeightFormat = { bits, block, ...header };
          const [got, want] = results(isa, { rows: 24, tokens, segments: [{ length: 48, weight, act }, { length, weight, act }] }, length + bits, 1);
          expect(Buffer.compare(got, want), `${bits} bits, ${header.scale} ${header.zero}, blocks of ${block}, ${tokens} tokens`).toBe(0);
        }
      }
    }
  });

  it.each([[16, 64], [40, 128], [64, 'row'], [160, 64], [224, 128], [600, 'row'], [1544, 'row']] as const)(
    'equals the reference with one weight scale per row: %d channels, activation blocks of %s', (length, block) => {
      for (const row of ROWS) {
        for (const bits of [4, 6, 8] as const) {
          for (const tokens of [1, 2, 5, 6, 8, 9]) {
            const weight: WeightFormat = { bits, ...row };
            const segment = { length, weight, act: a(tokens % 2 ? 8 : 4, block) };
            for (const segments of [[segment], [{ length: 64, weight: { ...weight, block: 32, scale: 'u8' }, act: a(8, 64) } as const, segment]]) {
              const [got, want] = results(isa, { rows: 40, tokens, segments }, length + bits + tokens, 0);
              expect(Buffer.compare(got, want), `${bits} bits, ${row.zero}, ${tokens} tokens`).toBe(0);
            }
          }
        }
      }
    },
  );

  it('equals the reference where centres of asymmetric activations follow the scales, up to a whole page of tokens', () => {
    const weight = { bits: 4, block: 32, scale: 'u8', zero: 'min' } as const;
    for (const bits of [4, 8] as const) {
      const act: ActFormat = { ...a(bits, 32), zero: 'min' };
      const [got, want] = results(isa, { rows: 16, tokens: 64, segments: [{ length: 320, weight, act }, { length: 40, weight, act: a(8, 32) }] }, bits, 0);
      expect(Buffer.compare(got, want)).toBe(0);
    }
  });

  it.each([4, 6, 8] as const)('keeps its integer sums in range at the extremes: %d-bit codes against the ends of every activation format', (bits) => {
    const acts: readonly ActFormat[] = [a(8, 128), a(4, 'row'), { ...a(4, 'row'), zero: 'min' }, { ...a(8, 'row'), zero: 'min' }];
    for (const row of [...HEADERS.slice(2), ...ROWS]) {
      for (const act of acts) {
        for (const tokens of [1, 5, 9]) {
          for (const extremes of EXTREMES) {
            const [got, want] = results(isa, { rows: 16, tokens, segments: [{ length: 160, weight: { bits, block: 128, ...row }, act }] }, 99, 0, extremes);
            expect(Buffer.compare(got, want), `${row.scale} ${row.zero}, A${act.bits} ${act.zero}, ${tokens} tokens, ${extremes.codes} ${extremes.weights}`).toBe(0);
          }
        }
      }
    }
  });
});

describe('gemmF32()', () => {
  it.each([[16, 1, 64], [40, 5, 33], [8, 4, 7]])('equals the reference byte for byte: %d rows, %d tokens, K %d', (rows, tokens, length) => {
    const backend = openWasm(modules, 'simd128', 1 << 20);
    const { memory } = backend;
    const panels = Math.ceil(rows / 16);
    const x = 4096;
    const w = x + tokens * length * 4;
    const out = w + panels * 16 * length * 4;
    for (let i = x >>> 2; i < out >>> 2; i++) memory.f32[i] = Math.fround(Math.sin(i * 12.9898) * 3);
    for (const residual of [0, 1] as const) {
      const run = (kernels: Kernels): Uint8Array => {
        memory.f32.fill(1.5, (out >>> 2) - 4, (out >>> 2) + tokens * panels * 16 + 4);
        kernels.gemmF32(w, length, x, length, out, panels * 16, tokens, 0, panels, residual);
        return memory.u8.slice(out - 16, out + tokens * panels * 64 + 16);
      };
      expect(run(backend.kernels)).toEqual(run(referenceKernels(memory)));
    }
  });
});

describe('gemm()', () => {
  it('computes sum of scale * (s * dot + m * sum), checked by hand', () => {
    const backend = openWasm(modules, 'simd128', 1 << 20);
    const shape: LinearCase = { rows: 16, tokens: 1, segments: [{ length: 16, weight: { bits: 4, block: 32, scale: 'f16', zero: 'min' }, act: a(8, 32) }] };
    const p = placeLinear(backend.memory, BASE, shape, 5);
    const { memory } = backend;
    const data = memory.i32[(p.table + 28) >>> 2]!;
    memory.u16[data >>> 1] = 0x3800; // s = 0.5
    memory.u16[(data >>> 1) + 16] = 0xc000; // m = -2
    for (let vector = 0; vector < 2; vector++) memory.u8.set([0x21, 0x43, 0x65, 0x87], data + 64 + vector * 64); // K 0..3: 1 3 5 7, K 4..7: 2 4 6 8
    memory.i8.set([1, -1, 2, -2, 3, -3, 4, -4, 0, 0, 0, 0, 127, 0, 0, 0], p.codes);
    memory.f32[p.scales >>> 2] = 0.25;
    memory.i32[p.sums >>> 2] = 127;
    backend.kernels.gemm(p.table, 1, p.codes, p.codesStride, p.scales, p.sums, p.blocks, p.out, 16, 1, 0, 1, 0, SCRATCH);
    const dots = 1 - 3 + 2 * 5 - 2 * 7 + 3 * 2 - 3 * 4 + 4 * 6 - 4 * 8 + 127 * 2;
    expect(memory.f32[p.out >>> 2]).toBe(0.25 * (0.5 * dots - 2 * 127));
  });

  it.each([['mid', -8, 0], ['min', 0, -0.75]] as const)('computes the product of weights with one scale per row: %s', (zero, middle, minimum) => {
    const backend = openWasm(modules, 'simd128', 1 << 20);
    const { memory } = backend;
    const shape: LinearCase = { rows: 16, tokens: 1, segments: [{ length: 208, weight: { bits: 4, block: 'row', scale: 'bf16', zero }, act: a(8, 'row') }] };
    const p = placeLinear(memory, BASE, shape, 7);
    const [data, rows] = [memory.i32[(p.table + 28) >>> 2]!, memory.i32[(p.table + 36) >>> 2]!];
    memory.u16.set([0x3e80, 0xbf40], rows >>> 1); // row 0: s = 0.25, m = -0.75
    memory.f32.fill(0.5, p.scales >>> 2, (p.scales >>> 2) + p.blocks);
    let product = 0;
    for (let k = 0; k < 208; k++) {
      const code = (memory.u8[data + (k >> 3) * 64 + (k & 3)]! >> (k & 4)) & 15;
      product += memory.i8[p.codes + k]! * 0.5 * (0.25 * (code + middle) + minimum);
    }
    backend.kernels.gemm(p.table, 1, p.codes, p.codesStride, p.scales, p.sums, p.blocks, p.out, 16, 1, 0, 1, 0, SCRATCH);
    expect(memory.f32[p.out >>> 2]).toBe(product); // all of these are multiples of 1/8 below 2^21
  });
});
