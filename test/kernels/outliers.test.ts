import { describe, expect, it } from 'vitest';
import { openWasm } from '../../src/backends/wasm/open.ts';
import type { ActFormat, WeightFormat } from '../../src/formats/number-format.ts';
import type { LinearMemory } from '../../src/backends/backend.ts';
import { expectSame, type Region } from '../support/kernels.ts';
import { lcg, placeLinear, type LinearCase, type PlacedLinear } from '../support/linear.ts';
import { testModules } from '../support/modules.ts';

const modules = await testModules();
const act = (outliers?: number): ActFormat => ({ bits: 8, block: 'row', clip: 1, ...(outliers !== undefined && { outliers }) });
const FORMATS: readonly WeightFormat[] = ([4, 6, 8] as const).flatMap((bits) => [
  ...(['f16', 'u8'] as const).flatMap((scale) => (['mid', 'int', 'min'] as const).map((zero) => ({ bits, block: 32, scale, zero }) as const)),
  ...(['mid', 'min'] as const).map((zero) => ({ bits, block: 'row', scale: 'bf16', zero }) as const),
]);

interface Placed extends PlacedLinear {
  readonly x: number;
  readonly stride: number;
}

/** A linear and its f32 input, rows of which end in zeros; one value in `every` is large. */
function place(memory: LinearMemory, shape: LinearCase, every: number, seed: number): Placed {
  const p = placeLinear(memory, 1024, shape, seed);
  const random = lcg(seed);
  const stride = p.codesStride + 16;
  for (let i = 0; i < shape.tokens * stride; i++) {
    const large = i % every === 3;
    memory.f32[(p.end >>> 2) + i] = i % stride < p.length ? Math.fround((random() - 0.5) * 2 + (large ? (i % 2 ? 9 : -9) : 0)) : 0;
  }
  memory.f32.fill(0.375, p.out >>> 2, (p.out >>> 2) + shape.tokens * p.outStride);
  return { ...p, x: p.end, stride };
}

const lengths = (weight: WeightFormat): LinearCase['segments'] =>
  [{ length: 80, weight, act: act(6) }, { length: 96, weight, act: act() }, { length: 32, weight, act: act(0.75) }, { length: 139, weight, act: act(8.5) }];

describe('outliers()', () => {
  it.each(FORMATS)('equals the reference byte for byte: $bits bits, $scale scales, zero $zero', (weight) => {
    for (const tokens of [1, 3]) {
      const shape: LinearCase = { rows: 56, tokens, segments: lengths(weight) };
      let p: Placed;
      expectSame(1 << 18, (memory) => { p = place(memory, shape, 7, tokens); }, (kernels) => {
        kernels.outliers(p.table, p.count, p.x, p.stride, p.out, p.outStride, tokens, 1, 3);
      }, Array.from({ length: tokens }, (_, t): Region => [place(openWasm(modules, 'simd128', 1 << 18).memory, shape, 7, tokens).out + t * 4 * 64 + 64, 128]));
    }
  });

  it.each(FORMATS)('adds the products with dequantised rows, channels ascending: $bits bits, $scale scales, zero $zero', (weight) => {
    const { memory, kernels } = openWasm(modules, 'simd128', 1 << 18);
    const p = place(memory, { rows: 16, tokens: 1, segments: lengths(weight) }, 7, 5);
    const row = p.x + 4 * p.stride;
    kernels.outliers(p.table, p.count, p.x, p.stride, p.out, p.outStride, 1, 0, 1);
    let found = 0;
    for (let r = 0; r < 16; r++) {
      kernels.embed(p.table, p.count, r, row);
      let sum = 0.375;
      for (let k = 0; k < p.length; k++) {
        const x = memory.f32[(p.x >>> 2) + k]!;
        const threshold = k < 80 ? 6 : k < 176 ? Infinity : k < 208 ? 0.75 : 8.5;
        if (Math.abs(x) < threshold) continue;
        sum = Math.fround(sum + Math.fround(x * memory.f32[(row >>> 2) + k]!));
        found++;
      }
      expect(memory.f32[(p.out >>> 2) + r]).toBe(sum);
    }
    expect(found).toBeGreaterThan(16 * 20);
  });

  it('counts a value of exactly the threshold, and no NaN', () => {
    const { memory, kernels } = openWasm(modules, 'simd128', 1 << 18);
    const segments = [{ length: 32, weight: { bits: 4, block: 32, scale: 'f16', zero: 'mid' }, act: act(6) }] as const;
    const p = place(memory, { rows: 16, tokens: 1, segments }, 64, 5);
    memory.f32.fill(NaN, p.x >>> 2, (p.x >>> 2) + 32);
    memory.f32[(p.x >>> 2) + 9] = Math.fround(5.9999995);
    kernels.outliers(p.table, 1, p.x, p.stride, p.out, p.outStride, 1, 0, 1);
    expect(memory.f32[p.out >>> 2]).toBe(0.375);
    memory.f32[(p.x >>> 2) + 9] = -6;
    kernels.embed(p.table, 1, 0, p.x + 4096);
    kernels.outliers(p.table, 1, p.x, p.stride, p.out, p.outStride, 1, 0, 1);
    expect(memory.f32[p.out >>> 2]).toBe(Math.fround(0.375 + Math.fround(-6 * memory.f32[((p.x + 4096) >>> 2) + 9]!)));
  });
});
