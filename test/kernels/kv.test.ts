import { describe, expect, it } from 'vitest';
import type { LinearMemory } from '../../src/backends/backend.ts';
import { f16ToF32, f32ToF16 } from '../../src/core/numeric.ts';
import { PAGE } from '../../src/formats/descriptor.ts';
import { kvHeadBytes, packedHeadBytes, valueGroups } from '../../src/formats/kv-layout.ts';
import { KV4, KV8, KV32, kvFormat, type KvBits } from '../../src/formats/number-format.ts';
import { FILL_NAMES, expectSame, fillF32, pair, type Fill } from '../support/kernels.ts';
import { lcg } from '../support/linear.ts';

const HEAD_DIMS = [8, 16, 40, 64, 80, 128] as const;
/** keyGroup and valueGroup. */
const GROUPS = ([32, 64] as const).flatMap((keyGroup) => ([16, 32, 64] as const).map((valueGroup) => [keyGroup, valueGroup] as const));
const K = 64;
const V = 1 << 18;
const PAGE8 = 1 << 19;
const PAGE4 = PAGE8 + (1 << 17);
const KEYS = PAGE4 + (1 << 17);
const VALUES = KEYS + (1 << 17);
const BYTES = VALUES + (1 << 17);

/** Rows of k and v, `stride` f32 apart. */
function fillRows(memory: LinearMemory, tokens: number, stride: number, kind: Fill): void {
  fillF32(memory, K, tokens * stride, kind, 5);
  fillF32(memory, V, tokens * stride, kind, 6);
}

/** A full 8-bit page: any codes, positive scales over many magnitudes. */
function fillPage8(memory: LinearMemory, kvHeads: number, headDim: number): void {
  const random = lcg(headDim);
  for (let head = 0; head < kvHeads; head++) {
    const at = PAGE8 + head * kvHeadBytes(KV8, headDim);
    for (let i = 0; i < 2 * PAGE * headDim; i++) memory.i8[at + i] = Math.floor(random() * 255) - 127;
    for (let i = 0; i < 2 * PAGE; i++) memory.f32[((at + 2 * PAGE * headDim) >>> 2) + i] = random() * 2 ** (Math.floor(random() * 40) - 28);
  }
}

describe.each(HEAD_DIMS)('KV pages, %d channels per head', (headDim) => {
  it('kvAppendF32() and kvAppendI8() equal the reference byte for byte and write their tokens only', () => {
    for (const [tokens, slot, kvHeads] of [[1, 0, 1], [2, 31, 3], [3, 61, 1], [64, 0, 2]] as const) {
      const stride = kvHeads * headDim + 4;
      for (const [format, op] of [[KV32, 'kvAppendF32'], [KV8, 'kvAppendI8']] as const) {
        for (const kind of FILL_NAMES) {
          const size = format.bits / 8;
          const regions = [...Array(kvHeads).keys()].map((head) => {
            const at = PAGE8 + head * kvHeadBytes(format, headDim);
            const keys = Array.from({ length: headDim }, (_, c) => [at + (c * PAGE + slot) * size, tokens * size] as const);
            const values = [at + (headDim * PAGE + slot * headDim) * size, tokens * headDim * size] as const;
            const scales = at + 2 * headDim * PAGE;
            return [...keys, values, ...(format.bits === 8 ? [[scales + 4 * slot, tokens * 4], [scales + 4 * (PAGE + slot), tokens * 4]] as const : [])];
          });
          expectSame(BYTES, (m) => fillRows(m, tokens, stride, kind), (k) => k[op](K, V, stride, tokens, kvHeads, headDim, PAGE8, slot), regions.flat());
        }
      }
    }
  });

  it('kvAppendI8() keeps each value within half a step of its token', () => {
    for (const kind of ['random', 'constant', 'one-hot', 'tiny', 'huge', 'mixed'] satisfies Fill[]) {
      const { memory, kernels } = pair(BYTES).wasm;
      let worst = 0;
      fillRows(memory, PAGE, headDim, kind);
      kernels.kvAppendI8(K, V, headDim, PAGE, 1, headDim, PAGE8, 0);
      kernels.kvTileI8(PAGE8, headDim, KEYS, VALUES);
      for (let t = 0; t < PAGE; t++) {
        for (const [from, at] of [[K, (c: number) => KEYS / 4 + c * PAGE + t], [V, (c: number) => VALUES / 4 + t * headDim + c]] as const) {
          const row = memory.f32.subarray(from / 4 + t * headDim, from / 4 + (t + 1) * headDim);
          const step = row.reduce((a, x) => Math.max(a, Math.abs(x)), 0) / 127;
          const error = row.reduce((a, x, c) => Math.max(a, Math.abs(memory.f32[at(c)]! - x)), 0);
          worst = Math.max(worst, error / (step * (0.5 + 127 * 2 ** -22) || 1));
        }
      }
      expect(worst, kind).toBeLessThanOrEqual(1);
    }
  });

  it('kvClose() and both tiles equal the reference byte for byte, one head and three', () => {
    const tile = 4 * PAGE * headDim;
    for (const kvHeads of [1, 3]) {
      const fill = (memory: LinearMemory): void => fillPage8(memory, kvHeads, headDim);
      expectSame(BYTES, fill, (k) => k.kvTileI8(PAGE8, headDim, KEYS, VALUES), [[KEYS, tile], [VALUES, tile]]);
      for (const groups of GROUPS) {
        const closed = expectSame(BYTES, fill, (k) => k.kvClose(PAGE8, PAGE4, kvHeads, headDim, ...groups), [[PAGE4, kvHeads * packedHeadBytes(headDim, ...groups)]]);
        const copy = (memory: LinearMemory): void => memory.u8.set(closed.u8);
        expectSame(BYTES, copy, (k) => k.kvTileU4(PAGE4, headDim, ...groups, KEYS, VALUES), [[KEYS, tile], [VALUES, tile]]);
      }
    }
  });

  it.each(GROUPS)('kvClose() keeps each value within half a step and the rounding of its group to halves, %d keys and %d values', (keyGroup, valueGroup) => {
    for (const kind of ['random', 'zeros', 'constant', 'one-hot', 'mixed'] satisfies Fill[]) {
      const { memory, kernels } = pair(BYTES).wasm;
      fillRows(memory, PAGE, headDim, kind);
      kernels.kvAppendI8(K, V, headDim, PAGE, 1, headDim, PAGE8, 0);
      kernels.kvTileI8(PAGE8, headDim, KEYS, VALUES);
      const keys = memory.f32.slice(KEYS / 4, KEYS / 4 + PAGE * headDim);
      const values = memory.f32.slice(VALUES / 4, VALUES / 4 + PAGE * headDim);
      kernels.kvClose(PAGE8, PAGE4, 1, headDim, keyGroup, valueGroup);
      kernels.kvTileU4(PAGE4, headDim, keyGroup, valueGroup, KEYS, VALUES);
      for (let from = 0; from < headDim * PAGE; from += keyGroup) {
        expectGroup(keys, memory.f32, KEYS / 4, Array.from({ length: keyGroup }, (_, i) => from + i));
      }
      const half = headDim / 2;
      for (let t = 0; t < PAGE; t++) {
        for (let from = 0; from < half; from += valueGroup) {
          for (const upper of [0, half]) {
            const length = Math.min(valueGroup, half - from);
            expectGroup(values, memory.f32, VALUES / 4, Array.from({ length }, (_, i) => t * headDim + upper + from + i));
          }
        }
      }
    }
  });
});

/** The error of a group: half of the step, a half's rounding of the minimum, and of the step up to 15 times. */
function expectGroup(exact: Float32Array, tile: Float32Array, base: number, members: readonly number[]): void {
  const low = Math.min(...members.map((i) => exact[i]!));
  const high = Math.max(...members.map((i) => exact[i]!));
  const step = (high - low + Math.abs(low) * 2 ** -11) / 15;
  const bound = step * (0.5 + 16 * 2 ** -11) + Math.abs(low) * 2 ** -11 + 15 * 2 ** -25 + high * 2 ** -22;
  expect(Math.max(...members.map((i) => Math.abs(tile[base + i]! - exact[i]!)))).toBeLessThanOrEqual(bound);
}

describe('kvClose()', () => {
  it('restores a constant group to within the step that its offset leaves, not only to a half', () => {
    const headDim = 8;
    const { memory, kernels } = pair(BYTES).wasm;
    const x = Math.fround(100.03); // halves are 1/16 apart here
    memory.u8.fill(1, PAGE8, PAGE8 + 2 * PAGE * headDim);
    memory.f32.fill(x, (PAGE8 + 2 * PAGE * headDim) >>> 2, (PAGE8 + kvHeadBytes(KV8, headDim)) >>> 2);
    kernels.kvClose(PAGE8, PAGE4, 1, headDim, 32, 32);
    kernels.kvTileU4(PAGE4, headDim, 32, 32, KEYS, VALUES);
    for (const at of [KEYS, VALUES]) expect(Math.abs(memory.f32[at >>> 2]! - x)).toBeLessThan(1e-4);
  });

  it('rounds to halves as f32ToF16() does, at ties, subnormals and saturation', () => {
    const headDim = 128;
    const random = lcg(3);
    for (let round = 0; round < 40; round++) {
      const { memory, kernels } = pair(BYTES).wasm;
      const scales = (PAGE8 + 2 * PAGE * headDim) >>> 2;
      memory.u8.fill(1, PAGE8 + PAGE * headDim, PAGE8 + 2 * PAGE * headDim);
      for (let t = 0; t < PAGE; t++) {
        const half = Math.floor(random() * 0x7c00);
        const tie = (f16ToF32(half) + f16ToF32(half + 1)) / 2;
        memory.f32[scales + PAGE + t] = round % 2 === 0 ? tie : (random() - 0.5) * 2 ** (Math.floor(random() * 44) - 26);
      }
      kernels.kvClose(PAGE8, PAGE4, 1, headDim, 32, 32);
      for (let t = 0; t < PAGE; t++) {
        const minimum = (PAGE4 + PAGE * headDim + 8 * headDim + t * 8 * valueGroups(headDim, 32)) / 2 + 1;
        expect(memory.u16[minimum]).toBe(f32ToF16(memory.f32[scales + PAGE + t]!));
      }
    }
  });
});

describe('kvTileU4()', () => {
  it('reads every half exactly', () => {
    const headDim = 128;
    const { memory, kernels } = pair(BYTES).wasm;
    const parameters = (PAGE4 + PAGE * headDim) >>> 1;
    for (let first = 0; first < 65536; first += 2 * headDim) {
      memory.u16.fill(0, parameters, parameters + 4 * headDim);
      for (let i = 0; i < 2 * headDim; i++) memory.u16[parameters + 2 * i + 1] = first + i;
      kernels.kvTileU4(PAGE4, headDim, 32, 32, KEYS, VALUES);
      const got = Array.from({ length: 2 * headDim }, (_, i) => memory.f32[KEYS / 4 + i * 32]);
      expect(got).toEqual(got.map((_, i) => f16ToF32(first + i) + 0));
    }
  });
});

describe('kvHeadBytes()', () => {
  it('counts codes, scales and minima', () => {
    expect(kvHeadBytes(KV32, 64)).toBe(32768);
    expect(kvHeadBytes(KV8, 64)).toBe(8192 + 512);
    expect(kvHeadBytes(KV4, 64)).toBe(4096 + 512 + 512);
    expect(kvHeadBytes({ ...KV4, keyGroup: 64, valueGroup: 16 }, 64)).toBe(4096 + 256 + 1024);
    expect(kvHeadBytes({ ...KV4, valueGroup: 64 }, 64)).toBe(kvHeadBytes(KV4, 64));
  });
});

describe('kvFormat()', () => {
  it('gives the default of a width and refuses others', () => {
    expect([4, 8, 32].map((bits) => kvFormat(bits as KvBits))).toEqual([{ bits: 4, keyGroup: 32, valueGroup: 32, firstPage: 8 }, { bits: 8 }, { bits: 32 }]);
    expect(() => kvFormat(16 as KvBits)).toThrow(expect.objectContaining({ code: 'invalid_argument', message: expect.stringContaining('16 bits') }));
  });
});
