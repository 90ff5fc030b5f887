import { describe, expect, it } from 'vitest';
import type { LinearMemory } from '../../src/backends/backend.ts';
import { PAGE } from '../../src/formats/descriptor.ts';
import { codesParts, kvHeadBytes, placeCode } from '../../src/formats/kv-layout.ts';
import type { KvCodesFormat } from '../../src/formats/number-format.ts';
import { FILL_NAMES, expectSame, fillF32, pair, type Fill, type Region } from '../support/kernels.ts';
import { lcg } from '../support/linear.ts';

const HEAD_DIMS = [8, 24, 40, 64, 128] as const;
const FORMATS = ([4, 8] as const).flatMap((bits) => (['token', 'static'] as const).map((per): KvCodesFormat => ({ bits, per, rope: 'after' })));
const K = 64;
const V = 1 << 18;
const CONSTANTS = 1 << 19;
const TABLE = CONSTANTS + (1 << 14);
const CODES = TABLE + (1 << 16);
const FLOATS = CODES + (1 << 17);
const BYTES = FLOATS + (1 << 17);

/** Scales and minima of `channels` keys and values: of ranges about [-4, 4], a few of them zero or not of use. */
function fillConstants(memory: LinearMemory, channels: number, most: number): void {
  const random = lcg(31);
  for (const part of [0, 2 * channels]) {
    for (let c = 0; c < channels; c++) {
      memory.f32[CONSTANTS / 4 + part + c] = c % 29 === 3 ? 0 : c % 31 === 7 ? NaN : (6 + 3 * random()) / most;
      memory.f32[CONSTANTS / 4 + part + channels + c] = -3 - random();
    }
  }
}

function fillRows(memory: LinearMemory, tokens: number, stride: number, kind: Fill): void {
  fillF32(memory, K, tokens * stride, kind, 5);
  fillF32(memory, V, tokens * stride, kind, 6);
}

/** Where tokens [slot, slot + tokens) of a head lie, in ascending order. */
function regionsOf({ bits, per }: KvCodesFormat, at: number, headDim: number, slot: number, tokens: number): Region[] {
  const parts = codesParts(headDim, bits, per);
  const row = (headDim * bits) / 8;
  const codes = [0, parts.values].map((part): Region => [at + part + slot * row, tokens * row]);
  const sides = [parts.keyScales, parts.keyMinima, parts.valueScales, parts.valueMinima].map((part): Region => [at + part + 2 * slot, 2 * tokens]);
  return per === 'token' ? [...codes, ...sides] : codes;
}

/** What an expanded page of the first `tokens` tokens is made of. */
const expanded = (headDim: number, tokens: number): Region[] => [
  ...Array.from({ length: headDim }, (_, c): Region => [FLOATS + c * PAGE * 4, tokens * 4]), [FLOATS + headDim * PAGE * 4, tokens * headDim * 4],
];

describe.each(FORMATS)('KV codes, $bits bits per $per', (format) => {
  const { bits, per } = format;
  const most = 2 ** bits - 1;
  const constants = per === 'static' ? CONSTANTS : 0;

  it.each(HEAD_DIMS)('kvAppendCodes() equals the reference byte for byte and writes its tokens only, %d channels', (headDim) => {
    for (const [tokens, slot, kvHeads] of [[1, 0, 1], [2, 31, 3], [3, 61, 1], [64, 0, 2]] as const) {
      const stride = kvHeads * headDim + 4;
      const channels = (kvHeads + 1) * headDim; // the constants of a head before
      const regions = [...Array(kvHeads).keys()].flatMap((head) => regionsOf(format, CODES + head * kvHeadBytes(format, headDim), headDim, slot, tokens));
      for (const kind of FILL_NAMES) {
        const fill = (memory: LinearMemory): void => {
          fillRows(memory, tokens, stride, kind);
          fillConstants(memory, channels, most);
        };
        const from = constants && constants + headDim * 4;
        expectSame(BYTES, fill, (k) => k.kvAppendCodes(K, V, stride, tokens, kvHeads, headDim, CODES, slot, bits, from, channels), regions);
      }
    }
  });

  it('kvAppendCodes() takes infinities and what is no number as the reference does', () => {
    const fill = (memory: LinearMemory): void => {
      fillRows(memory, 4, 16, 'random');
      fillConstants(memory, 16, most);
      for (const at of [K, V]) for (const [i, x] of [NaN, Infinity, -Infinity].entries()) memory.f32[at / 4 + 17 * i] = x;
    };
    const regions = regionsOf(format, CODES, 16, 0, 4);
    expectSame(BYTES, fill, (k) => k.kvAppendCodes(K, V, 16, 4, 1, 16, CODES, 0, bits, constants, 16), regions);
  });

  it.each(HEAD_DIMS)('kvExpand() equals the reference byte for byte and writes its tokens only, %d channels', (headDim) => {
    const channels = 2 * headDim;
    const parts = codesParts(headDim, bits, per);
    for (const [tokens, table] of [[1, TABLE], [33, 0], [47, TABLE], [64, TABLE], [64, 0]] as const) {
      for (const kind of ['random', 'mixed', 'huge'] satisfies Fill[]) {
        const fill = (memory: LinearMemory): void => {
          const random = lcg(headDim + tokens);
          fillF32(memory, TABLE, tokens * headDim, 'random', 9);
          fillF32(memory, CONSTANTS, 4 * channels, kind, 10);
          for (const [from, bytes] of regionsOf(format, CODES, headDim, 0, tokens)) {
            for (let i = 0; i < bytes; i++) memory.u8[from + i] = Math.floor(random() * 256);
          }
          if (per === 'static') return;
          for (let t = 0; t < tokens; t++) {
            for (const side of [parts.keyScales, parts.keyMinima, parts.valueScales, parts.valueMinima]) {
              memory.u16[(CODES + side) / 2 + t] = Math.floor(random() * 0x7c00) | (random() < 0.5 ? 0x8000 : 0);
            }
          }
        };
        const from = constants && constants + headDim * 4;
        expectSame(BYTES, fill, (k) => k.kvExpand(CODES, tokens, headDim, bits, from, channels, table, FLOATS), expanded(headDim, tokens));
      }
    }
  });

  it.each(HEAD_DIMS)('kvExpand() gives each value within half a step of what was appended, %d channels', (headDim) => {
    const row = 2 * headDim;
    const { memory, kernels } = pair(BYTES).wasm;
    const number = (at: number, i: number): number => memory.f32[at / 4 + i]!;
    const range = (count: number, value: (i: number) => number): readonly [low: number, high: number] => {
      const all = Array.from({ length: count }, (_, i) => value(i));
      return [Math.min(...all), Math.max(...all)];
    };
    for (const kind of ['random', 'constant', 'one-hot', 'tiny', 'mixed'] satisfies Fill[]) {
      fillRows(memory, PAGE, row, kind);
      for (const [at, part] of [[K, 0], [V, 2 * row]] as const) {
        for (let c = 0; c < row; c++) {
          const [low, high] = range(PAGE, (t) => number(at, t * row + c));
          memory.f32[CONSTANTS / 4 + part + c] = (high - low) / most;
          memory.f32[CONSTANTS / 4 + part + row + c] = low;
        }
      }
      kernels.kvAppendCodes(K, V, row, PAGE, 2, headDim, CODES, 0, bits, constants, row);
      for (const head of [0, 1]) {
        const own = constants && constants + head * headDim * 4;
        kernels.kvExpand(CODES + head * kvHeadBytes(format, headDim), PAGE, headDim, bits, own, row, 0, FLOATS);
        const key = (t: number, c: number): number => number(FLOATS, c * PAGE + t);
        const value = (t: number, c: number): number => number(FLOATS, (PAGE + t) * headDim + c);
        for (const [at, read] of [[K, key], [V, value]] as const) {
          let worst = 0;
          for (let t = 0; t < PAGE; t++) {
            const exact = (c: number): number => number(at, t * row + head * headDim + c);
            const ofToken = tokenBound(range(headDim, exact), most);
            for (let c = 0; c < headDim; c++) {
              const bound = per === 'token' ? ofToken : channelBound(range(PAGE, (i) => number(at, i * row + head * headDim + c)), most);
              worst = Math.max(worst, Math.abs(read(t, c) - exact(c)) / bound);
            }
          }
          expect(worst, kind).toBeLessThanOrEqual(1);
        }
      }
    }
  });

  it('kvExpand() turns keys as rope() does, and values not', () => {
    const headDim = 24;
    const { memory, kernels } = pair(BYTES).wasm;
    fillRows(memory, PAGE, headDim, 'random');
    fillConstants(memory, headDim, most);
    fillF32(memory, TABLE, PAGE * headDim, 'random', 9);
    kernels.kvAppendCodes(K, V, headDim, PAGE, 1, headDim, CODES, 0, bits, constants, headDim);
    const pageAfter = (table: number): Float32Array => {
      kernels.kvExpand(CODES, PAGE, headDim, bits, constants, headDim, table, FLOATS);
      return memory.f32.slice(FLOATS / 4, FLOATS / 4 + 2 * PAGE * headDim);
    };
    const [plain, turned] = [pageAfter(0), pageAfter(TABLE)];
    for (let t = 0; t < PAGE; t++) for (let c = 0; c < headDim; c++) memory.f32[K / 4 + t * headDim + c] = plain[c * PAGE + t]!;
    kernels.rope(K, headDim, PAGE, 1, headDim, TABLE);
    const want = Float32Array.from({ length: PAGE * headDim }, (_, i) => memory.f32[K / 4 + (i % PAGE) * headDim + Math.floor(i / PAGE)]!);
    expect(turned.subarray(0, PAGE * headDim)).toEqual(want);
    expect(turned.subarray(PAGE * headDim)).toEqual(plain.subarray(PAGE * headDim));
  });
});

/** Half a step of a channel's range, and roundings of f32. */
const channelBound = ([low, high]: readonly [number, number], most: number): number =>
  ((high - low) / most / 2) * (1 + most * 2 ** -21) + Math.max(-low, high) * 2 ** -21;

/** Half a step of a token's range; the roundings to halves of its minimum, and of the step `most` times. */
function tokenBound([low, high]: readonly [number, number], most: number): number {
  const step = (high - low + Math.abs(low) * 2 ** -11) / most;
  return step * (0.5 + (most + 1) * 2 ** -11) + Math.abs(low) * 2 ** -11 + most * 2 ** -25 + Math.max(-low, high) * 2 ** -21;
}

describe('placeCode()', () => {
  it.each(HEAD_DIMS)('gives every channel of every token bits of its own, %d channels', (headDim) => {
    for (const bits of [4, 8] as const) {
      const places = Array.from({ length: PAGE * headDim }, (_, i) => placeCode(bits, headDim, Math.floor(i / headDim), i % headDim));
      expect(new Set(places.map(([byte, shift]) => 8 * byte + shift)).size).toBe(PAGE * headDim);
      expect(Math.max(...places.map(([byte]) => byte)) + 1).toBe(codesParts(headDim, bits, 'token').values);
    }
  });
});

describe('kvHeadBytes()', () => {
  it('counts codes, and of each token scales and minima', () => {
    const bytes = (bits: 4 | 8, per: KvCodesFormat['per'], headDim: number): number => kvHeadBytes({ bits, per, rope: 'before' }, headDim);
    expect([bytes(8, 'token', 64), bytes(4, 'token', 64), bytes(8, 'static', 64), bytes(4, 'static', 24)]).toEqual([8192 + 512, 4096 + 512, 8192, 1536]);
  });
});
