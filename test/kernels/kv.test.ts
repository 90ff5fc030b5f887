import { describe, expect, it } from 'vitest';
import type { Kernels, LinearMemory } from '../../src/backends/backend.ts';
import { f16ToF32, f32ToF16 } from '../../src/core/numeric.ts';
import { PAGE } from '../../src/formats/descriptor.ts';
import { kvHeadBytes, packedParts, place8 } from '../../src/formats/kv-layout.ts';
import { KV4, KV8, KV32, kvFormat, type Kv4Format, type KvBits } from '../../src/formats/number-format.ts';
import { FILL_NAMES, expectSame, fillF32, pair, type Fill } from '../support/kernels.ts';
import { fillPage, pageValues } from '../support/kv.ts';
import { lcg } from '../support/linear.ts';

const HEAD_DIMS = [8, 16, 40, 64, 80, 128] as const;
const GROUPS = ([32, 64] as const).flatMap((keyGroup) => ([16, 32, 64] as const).map((valueGroup): Kv4Format => ({ ...KV4, keyGroup, valueGroup })));
const K = 64;
const V = 1 << 18;
const PAGE8 = 1 << 19;
const PAGE4 = PAGE8 + (1 << 17);
const BYTES = PAGE4 + (1 << 17);

/** Rows of k and v, `stride` f32 apart. */
function fillRows(memory: LinearMemory, tokens: number, stride: number, kind: Fill): void {
  fillF32(memory, K, tokens * stride, kind, 5);
  fillF32(memory, V, tokens * stride, kind, 6);
}

/** The bytes of each token in [slot, slot + tokens) of a page of `bits`, in ascending order. */
function regionsOf(bits: 8 | 32, at: number, headDim: number, slot: number, tokens: number): (readonly [number, number])[] {
  const channels = [...Array(headDim).keys()];
  const values = at + headDim * PAGE * (bits / 8);
  if (bits === 32) return [...channels.map((c) => [at + (c * PAGE + slot) * 4, tokens * 4] as const), [values + slot * headDim * 4, tokens * headDim * 4]];
  const places = Array.from({ length: tokens }, (_, t) => channels.flatMap((c) => [at + place8(headDim, slot + t, c), values + place8(PAGE, c, slot + t)])).flat();
  const scales = values + headDim * PAGE + 4 * slot;
  return [...places.sort((x, y) => x - y).map((byte) => [byte, 1] as const), [scales, tokens * 4], [scales + 4 * PAGE, tokens * 4]];
}

describe.each(HEAD_DIMS)('KV pages, %d channels per head', (headDim) => {
  it('kvAppendF32() and kvAppendI8() equal the reference byte for byte and write their tokens only', () => {
    for (const [tokens, slot, kvHeads] of [[1, 0, 1], [2, 31, 3], [3, 61, 1], [64, 0, 2]] as const) {
      const stride = kvHeads * headDim + 4;
      for (const [bits, format, op] of [[32, KV32, 'kvAppendF32'], [8, KV8, 'kvAppendI8']] as const) {
        const regions = [...Array(kvHeads).keys()].flatMap((head) => regionsOf(bits, PAGE8 + head * kvHeadBytes(format, headDim), headDim, slot, tokens));
        for (const kind of FILL_NAMES) {
          expectSame(BYTES, (m) => fillRows(m, tokens, stride, kind), (k) => k[op](K, V, stride, tokens, kvHeads, headDim, PAGE8, slot), merged(regions));
        }
      }
    }
  });

  it.each([['kvAppendF32', KV32, 0], ['kvAppendI8', KV8, 1]] as const)('%s() keeps each value within half a step of its token', (op, format, coarse) => {
    for (const kind of ['random', 'constant', 'one-hot', 'tiny', 'huge', 'mixed'] satisfies Fill[]) {
      const { memory, kernels } = pair(BYTES).wasm;
      fillRows(memory, PAGE, headDim, kind);
      kernels[op](K, V, headDim, PAGE, 1, headDim, PAGE8, 0);
      const page = pageValues(memory, PAGE8, format, headDim);
      for (const [from, read] of [[K, page.key], [V, page.value]] as const) {
        for (let t = 0; t < PAGE; t++) {
          const row = memory.f32.subarray(from / 4 + t * headDim, from / 4 + (t + 1) * headDim);
          const step = row.reduce((a, x) => Math.max(a, Math.abs(x)), 0) / 127;
          const error = row.reduce((a, x, c) => Math.max(a, Math.abs(read(t, c) - x)), 0);
          expect(error, kind).toBeLessThanOrEqual(coarse * step * (0.5 + 127 * 2 ** -22));
        }
      }
    }
  });

  it('kvClose() equals the reference byte for byte, one head and three', () => {
    for (const kvHeads of [1, 3]) {
      const fill = (memory: LinearMemory): void => {
        for (let head = 0; head < kvHeads; head++) fillPage(memory, PAGE8 + head * kvHeadBytes(KV8, headDim), KV8, headDim, PAGE, 'random', headDim + head);
      };
      for (const format of GROUPS) {
        const call = (k: Kernels): void => k.kvClose(PAGE8, PAGE4, kvHeads, headDim, format.keyGroup, format.valueGroup);
        expectSame(BYTES, fill, call, [[PAGE4, kvHeads * kvHeadBytes(format, headDim)]]);
      }
    }
  });

  it.each(GROUPS)('kvClose() keeps each value within half a step and the rounding of its group to halves, $keyGroup keys and $valueGroup values', (format) => {
    const { keyGroup, valueGroup } = format;
    for (const kind of ['random', 'zeros', 'constant', 'one-hot', 'mixed'] satisfies Fill[]) {
      const { memory, kernels } = pair(BYTES).wasm;
      fillRows(memory, PAGE, headDim, kind);
      kernels.kvAppendI8(K, V, headDim, PAGE, 1, headDim, PAGE8, 0);
      kernels.kvClose(PAGE8, PAGE4, 1, headDim, keyGroup, valueGroup);
      const [exact, packed] = [pageValues(memory, PAGE8, KV8, headDim), pageValues(memory, PAGE4, format, headDim)];
      for (let c = 0; c < headDim; c++) {
        for (let from = 0; from < PAGE; from += keyGroup) expectGroup(keyGroup, (i) => exact.key(from + i, c), (i) => packed.key(from + i, c));
      }
      for (let t = 0; t < PAGE; t++) {
        for (let from = 0; from < headDim; from += valueGroup) {
          expectGroup(Math.min(valueGroup, headDim - from), (i) => exact.value(t, from + i), (i) => packed.value(t, from + i));
        }
      }
    }
  });
});

/** Joins regions that touch. */
function merged(regions: readonly (readonly [number, number])[]): (readonly [number, number])[] {
  const joined: [number, number][] = [];
  for (const [from, bytes] of regions) {
    const last = joined.at(-1);
    if (last && last[0] + last[1] === from) last[1] += bytes;
    else joined.push([from, bytes]);
  }
  return joined;
}

/** The error of a group: half of the step, a half's rounding of the minimum, and of the step up to 15 times. */
function expectGroup(length: number, exact: (i: number) => number, packed: (i: number) => number): void {
  const members = Array.from({ length }, (_, i) => exact(i));
  const low = Math.min(...members);
  const high = Math.max(...members);
  const step = (high - low + Math.abs(low) * 2 ** -11) / 15;
  const bound = step * (0.5 + 16 * 2 ** -11) + Math.abs(low) * 2 ** -11 + 15 * 2 ** -25 + high * 2 ** -22;
  expect(Math.max(...members.map((x, i) => Math.abs(packed(i) - x)))).toBeLessThanOrEqual(bound);
}

describe('kvClose()', () => {
  it('restores a constant group to within the step that its offset leaves, not only to a half', () => {
    const headDim = 8;
    const { memory, kernels } = pair(BYTES).wasm;
    const x = Math.fround(100.03); // halves are 1/16 apart here
    memory.u8.fill(1, PAGE8, PAGE8 + 2 * PAGE * headDim);
    memory.f32.fill(x, (PAGE8 + 2 * PAGE * headDim) >>> 2, (PAGE8 + kvHeadBytes(KV8, headDim)) >>> 2);
    kernels.kvClose(PAGE8, PAGE4, 1, headDim, 32, 32);
    const page = pageValues(memory, PAGE4, KV4, headDim);
    for (const value of [page.key(0, 0), page.value(0, 0)]) expect(Math.abs(value - x)).toBeLessThan(1e-4);
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
        expect(memory.u16[(PAGE4 + packedParts(headDim, 32, 32).valueMinima) / 2 + t]).toBe(f32ToF16(memory.f32[scales + PAGE + t]!));
      }
    }
  });
});

describe('kvHeadBytes()', () => {
  it('counts codes, scales and minima', () => {
    expect(kvHeadBytes(KV32, 64)).toBe(32768);
    expect(kvHeadBytes(KV8, 64)).toBe(8192 + 512);
    expect(kvHeadBytes(KV4, 64)).toBe(4096 + 512 + 512);
    expect(kvHeadBytes({ ...KV4, keyGroup: 64, valueGroup: 16 }, 64)).toBe(4096 + 256 + 1024);
    expect(kvHeadBytes({ ...KV4, valueGroup: 64 }, 64)).toBe(4096 + 512 + 256);
    expect(kvHeadBytes(KV4, 40)).toBe(32 * 48 + 32 * 40 + 320 + 512);
  });
});

describe('kvFormat()', () => {
  it('gives the default of a width and refuses others', () => {
    expect([4, 8, 32].map((bits) => kvFormat(bits as KvBits))).toEqual([{ bits: 4, keyGroup: 32, valueGroup: 32, firstPage: 8 }, { bits: 8 }, { bits: 32 }]);
    expect(() => kvFormat(16 as KvBits)).toThrow(expect.objectContaining({ code: 'invalid_argument', message: expect.stringContaining('16 bits') }));
  });
});
