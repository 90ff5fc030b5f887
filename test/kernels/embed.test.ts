import { describe, expect, it } from 'vitest';
import { SEG_DATA, SEG_ROW_SCALES } from '../../src/formats/descriptor.ts';
import type { WeightFormat } from '../../src/formats/number-format.ts';
import { expectSame, fillF32, pair } from '../support/kernels.ts';
import { placeLinear, type LinearCase } from '../support/linear.ts';

const BASE = 1024;
const OUT = 256;
const HEADERS = (['f16', 'u8'] as const).flatMap((scale) => (['mid', 'int', 'min'] as const).map((zero) => ({ scale, zero })));

function linear(bits: 4 | 6 | 8, header: Pick<WeightFormat, 'scale' | 'zero'>, lengths: readonly number[]): LinearCase {
  const segments = lengths.map((length, i) => ({
    length, weight: { bits, block: ([32, 64, 128] as const)[i % 3]!, ...header }, act: { bits: 8, block: 128, clip: 1 } as const,
  }));
  return { rows: 40, tokens: 1, segments };
}

describe('embed()', () => {
  it.each([4, 6, 8] as const)('equals the reference byte for byte: %d-bit codes, every header, three segments with a tail', (bits) => {
    HEADERS.forEach((header, seed) => {
      const out = 1 << 18;
      for (const row of [0, 5, 15, 16, 37]) {
        let length = 0;
        expectSame(1 << 19, (memory) => {
          ({ length } = placeLinear(memory, BASE, linear(bits, header, [48, 144, 135]), seed + 1));
        }, (k) => k.embed(BASE, 3, row, out), [[out, 327 * 4]]);
        expect(length).toBe(327);
      }
    });
  });

  it('gives s * q + m by hand: u4, two-level scales and minima, second panel', () => {
    const { memory, kernels } = pair(1 << 18).wasm;
    const p = placeLinear(memory, BASE, linear(4, { scale: 'u8', zero: 'min' }, [32]), 1);
    const block = memory.i32[(p.table + SEG_DATA) >>> 2]! + 288; // of panel 1: 16 scales, 16 minima, 256 code bytes follow one another
    const rowScales = memory.i32[(p.table + SEG_ROW_SCALES) >>> 2]!;
    memory.u16.set([0x3e80, 0xbf00], (rowScales >>> 1) + 2 * (16 + 6)); // bf16 0.25, -0.5
    memory.u8[block + 6] = 12; // s = 3
    memory.i8[block + 16 + 6] = 5; // m = -2.5
    memory.u8.set([0x10, 0x32, 0x54, 0x76], block + 32 + 16 + 8); // quad 1, row 2: K 0..3: 0 2 4 6, K 4..7: 1 3 5 7
    kernels.embed(p.table, 1, 22, OUT);
    expect([...memory.f32.subarray(OUT / 4, OUT / 4 + 8)]).toEqual([0, 2, 4, 6, 1, 3, 5, 7].map((q) => 3 * q - 2.5));
  });
});

describe('embedF32()', () => {
  it.each([1, 16, 71])('copies one row out of its panel: length %d', (length) => {
    const fill = (memory: Parameters<typeof fillF32>[0]): void => fillF32(memory, 4096, 3 * 16 * length, 'random', length);
    for (const row of [0, 15, 33]) {
      const memory = expectSame(1 << 16, fill, (k) => k.embedF32(4096, length, row, OUT), [[OUT, length * 4]]);
      for (let k = 0; k < length; k++) expect(memory.f32[OUT / 4 + k]).toBe(memory.f32[1024 + (row >> 4) * length * 16 + k * 16 + (row & 15)]);
    }
  });
});
