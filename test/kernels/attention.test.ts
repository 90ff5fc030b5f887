import { describe, expect, it } from 'vitest';
import { attentionScratch, type Kernels, type LinearMemory } from '../../src/backends/backend.ts';
import { exp2F32, softmaxScale } from '../../src/backends/reference/online-softmax.ts';
import { PAGE } from '../../src/formats/descriptor.ts';
import { kvHeadBytes } from '../../src/formats/kv-layout.ts';
import { KV4, KV8, KV32 } from '../../src/formats/number-format.ts';
import { FILL_NAMES, PATHS, expectSame, fillF32, pair, type Fill } from '../support/kernels.ts';
import { fillPage, pageValues, type PageFormat } from '../support/kv.ts';
import { lcg } from '../support/linear.ts';

const STATE = 1024;
const SCRATCH = 16384;
const Q = 1 << 15;
const OUT = 1 << 18;
const PAGES = 1 << 19;
const BYTES = PAGES + (1 << 19);

interface Shape {
  readonly kv: PageFormat;
  readonly headDim: number;
  readonly tokens: number;
  readonly group: number;
  readonly pages: number;
  /** Tokens of the last page that the first query sees; 64 for packed pages. */
  readonly visible: number;
}

const strideOf = (s: Shape): number => s.group * s.headDim + 4;
/** Pages lie apart, as those of several heads do. */
const pageBytes = (s: Shape): number => kvHeadBytes(s.kv, s.headDim) + 48;
const pageAt = (s: Shape, page: number): number => PAGES + page * pageBytes(s);
const seenIn = (s: Shape, token: number, page: number): number => (s.kv.bits === 4 ? PAGE : Math.min(PAGE, (s.pages - 1 - page) * PAGE + s.visible + token));

/** Queries, and pages of which only the tokens that some query sees hold numbers. */
function fill(memory: LinearMemory, s: Shape, kind: Fill): void {
  for (let t = 0; t < s.tokens; t++) fillF32(memory, Q + t * strideOf(s) * 4, s.group * s.headDim, kind, t + 1);
  for (let page = 0; page < s.pages; page++) fillPage(memory, pageAt(s, page), s.kv, s.headDim, seenIn(s, s.tokens - 1, page), kind, 100 * page + 7);
}

/** Tokens [from, to) over pages [first, last). */
function attend(k: Kernels, s: Shape, [from, to] = [0, s.tokens], [first, last] = [0, s.pages]): void {
  const { kv, headDim, group } = s;
  const query = [Q + from * strideOf(s) * 4, strideOf(s), to - from, group, headDim, 1 / Math.sqrt(headDim), pageAt(s, first), last - first, pageBytes(s)] as const;
  const results = [OUT + from * group * headDim * 4, STATE + from * group * 8, first === 0 ? 1 : 0, SCRATCH] as const;
  const visible = (s.pages - 1 - first) * PAGE + s.visible + from;
  if (kv.bits === 4) k.attentionU4(...query, kv.keyGroup, kv.valueGroup, ...results);
  else if (kv.bits === 8) k.attentionI8(...query, visible, ...results);
  else k.attentionF32(...query, visible, ...results);
}

const rowsOf = (s: Shape): number => s.tokens * s.group;

function expectReference(s: Shape, kind: Fill, isa: (typeof PATHS)[number]): void {
  expectSame(BYTES, (memory) => fill(memory, s, kind), (k) => attend(k, s), [
    [STATE, rowsOf(s) * 8, 'nan'], [SCRATCH, attentionScratch(s.headDim), 'ignore'], [OUT, rowsOf(s) * s.headDim * 4, 'nan'],
  ], isa);
}

const COARSE: PageFormat = { bits: 4, keyGroup: 64, valueGroup: 16, firstPage: 4 };
const WIDE: PageFormat = { bits: 4, keyGroup: 32, valueGroup: 64, firstPage: 4 };
const FORMATS = [['f32', KV32], ['8-bit', KV8], ['4-bit', KV4], ['4-bit, 64 keys and 16 values', COARSE], ['4-bit, 32 keys and 64 values', WIDE]] as const;

describe.each(FORMATS)('attention over %s pages', (_name, kv) => {
  const paths = kv.bits === 4 ? PATHS : (['simd128'] as const);
  const visible = (n: number): number => (kv.bits === 4 ? PAGE : n);

  it.each([8, 16, 24, 40, 64, 80, 128, 256])('equals the reference byte for byte: %d channels, every fill, unseen tokens NaN', (headDim) => {
    for (const isa of paths) {
      for (const kind of FILL_NAMES) {
        for (const [tokens, group, pages, seen] of [[1, 3, 1, 1], [2, 1, 2, 33], [3, 2, 1, 62], [1, 4, 3, 64]] as const) {
          expectReference({ kv, headDim, tokens, group, pages: headDim > 128 ? 1 : pages, visible: visible(seen) }, kind, isa);
        }
      }
    }
  });

  it('equals the reference for every size of group and number of visible tokens', () => {
    for (const isa of paths) for (let group = 1; group <= 16; group++) expectReference({ kv, headDim: 16, tokens: 1, group, pages: 2, visible: visible(64) }, 'random', isa);
    if (kv.bits === 4) return;
    for (let seen = 1; seen <= PAGE; seen++) expectReference({ kv, headDim: 24, tokens: 1, group: 3, pages: 1, visible: seen }, 'random', 'simd128');
    expectReference({ kv, headDim: 16, tokens: 64, group: 2, pages: 1, visible: 1 }, 'random', 'simd128');
    expectReference({ kv, headDim: 16, tokens: 24, group: 3, pages: 2, visible: 40 }, 'mixed', 'simd128');
  });

  it('gives the same bits for tokens and pages in one call or in several', () => {
    const s: Shape = { kv, headDim: 40, tokens: 7, group: 3, pages: 4, visible: visible(50) };
    for (const isa of paths) {
      const results = ([[7, 4], [1, 4], [2, 1], [5, 3]] as const).map(([tokens, pages]) => {
        const { memory, kernels } = pair(BYTES, isa).wasm;
        fill(memory, s, 'random');
        for (let t = 0; t < s.tokens; t += tokens) {
          for (let p = 0; p < s.pages; p += pages) attend(kernels, s, [t, Math.min(s.tokens, t + tokens)], [p, Math.min(s.pages, p + pages)]);
        }
        return memory.u8.slice(OUT, OUT + rowsOf(s) * s.headDim * 4);
      });
      for (const result of results) expect(result).toEqual(results[0]);
    }
  });

  it.each(['random', 'constant', 'one-hot', 'tiny'] satisfies Fill[])('gives softmax(q K / sqrt(d)) V as computed in f64, to within its codes: %s', (kind) => {
    const s: Shape = { kv, headDim: 64, tokens: 5, group: 3, pages: 2, visible: visible(17) };
    const { memory, kernels } = pair(BYTES).wasm;
    fill(memory, s, kind);
    attend(kernels, s);
    kernels.attentionFinish(OUT, STATE, s.tokens, s.group, s.headDim, OUT, s.group * s.headDim);
    const pages = Array.from({ length: s.pages }, (_, page) => pageValues(memory, pageAt(s, page), kv, s.headDim));
    for (let query = 0; query < rowsOf(s); query++) {
      const t = Math.floor(query / s.group);
      const row = Q / 4 + t * strideOf(s) + (query % s.group) * s.headDim;
      const seen = pages.flatMap((page, p) => Array.from({ length: seenIn(s, t, p) }, (_, i) => ({ page, i })));
      const scores = seen.map(({ page, i }) => sum(s.headDim, (c) => memory.f32[row + c]! * page.key(i, c)) / Math.sqrt(s.headDim));
      const peak = Math.max(...scores);
      const weights = scores.map((score) => Math.exp(score - peak));
      const total = weights.reduce((a, b) => a + b, 0);
      let [error, size] = [0, 0];
      for (let c = 0; c < s.headDim; c++) {
        const want = sum(seen.length, (n) => (weights[n]! / total) * seen[n]!.page.value(seen[n]!.i, c));
        error += (memory.f32[OUT / 4 + query * s.headDim + c]! - want) ** 2;
        size += seen.reduce((most, { page, i }) => Math.max(most, Math.abs(page.value(i, c))), 0) ** 2;
      }
      expect(Math.sqrt(error / size)).toBeLessThan(TOLERANCE[kv.bits]);
    }
  });
});

const sum = (length: number, term: (i: number) => number): number => Array.from({ length }, (_, i) => term(i)).reduce((a, b) => a + b, 0);

/** Root mean square error against the largest values: codes of 8 bits, of 15 bits, and roundings of f32. */
const TOLERANCE = { 4: 0.02, 8: 2e-4, 32: 1e-5 } as const;

describe('attentionF32()', () => {
  it('weighs tokens by exactly exp2F32(score - maximum)', () => {
    const headDim = PAGE;
    const { memory, kernels } = pair(BYTES).wasm;
    const { f32 } = memory;
    const [keys, values] = [PAGES / 4, PAGES / 4 + PAGE * headDim];
    const random = lcg(11);
    f32[Q / 4] = 1; // the score of a token is its first key
    for (let t = 0; t < PAGE; t++) f32[values + t * headDim + t] = 1;
    for (let round = 0; round < 300; round++) {
      for (let t = 0; t < PAGE; t++) f32[keys + t] = t === 0 ? 40 : 40 - random() * 90;
      kernels.attentionF32(Q, headDim, 1, 1, headDim, 1, PAGES, 1, 0, PAGE, OUT, STATE, 1, SCRATCH);
      const want = Array.from({ length: PAGE }, (_, t) => exp2F32(Math.fround(Math.fround(f32[keys + t]! * softmaxScale(1)) - Math.fround(40 * softmaxScale(1)))));
      expect([...f32.subarray(OUT / 4, OUT / 4 + PAGE)]).toEqual(want);
    }
  });
});

describe('attentionMerge() and attentionFinish()', () => {
  const PART = OUT + (1 << 17);
  const PART_STATE = STATE + 4096;

  it.each([[1, 1, 8], [2, 3, 40], [5, 2, 64], [1, 16, 128]])('equal the reference byte for byte: %d tokens, %d heads of %d channels', (tokens, group, headDim) => {
    const rows = tokens * group;
    const stride = group * headDim + 4;
    const result = Q;
    for (const kind of FILL_NAMES) {
      const blank = (memory: LinearMemory): void => {
        for (const [i, at] of [OUT, PART].entries()) fillF32(memory, at, rows * headDim, kind, i + 1);
        for (const [i, at] of [STATE, PART_STATE].entries()) {
          fillF32(memory, at, rows * 2, 'random', i + 3);
          for (let row = 0; row < rows; row++) memory.f32[at / 4 + 2 * row + 1] = 1 + row;
        }
      };
      expectSame(BYTES, blank, (k) => {
        k.attentionMerge(OUT, STATE, PART, PART_STATE, rows, headDim);
        k.attentionFinish(OUT, STATE, tokens, group, headDim, result, stride);
      }, [
        [STATE, rows * 8], ...Array.from({ length: tokens }, (_, t) => [result + t * stride * 4, group * headDim * 4] as const), [OUT, rows * headDim * 4],
      ]);
    }
  });

  it('put parts of attention together to that over all pages', () => {
    const s: Shape = { kv: KV32, headDim: 32, tokens: 3, group: 2, pages: 4, visible: 9 };
    const { memory, kernels } = pair(BYTES).wasm;
    fill(memory, s, 'random');
    attend(kernels, s);
    const [whole, state] = [memory.f32.slice(OUT / 4, OUT / 4 + rowsOf(s) * s.headDim), memory.f32.slice(STATE / 4, STATE / 4 + 2 * rowsOf(s))];
    kernels.attentionF32(
      Q, strideOf(s), s.tokens, s.group, s.headDim, 1 / Math.sqrt(s.headDim), pageAt(s, 2), 2, pageBytes(s), PAGE + s.visible, PART, PART_STATE, 1, SCRATCH,
    );
    attend(kernels, { ...s, visible: 4 * PAGE }, undefined, [0, 2]);
    kernels.attentionMerge(OUT, STATE, PART, PART_STATE, rowsOf(s), s.headDim);
    const close = (got: Float32Array, want: Float32Array): void => {
      const size = want.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
      got.forEach((x, i) => expect(Math.abs(x - want[i]!)).toBeLessThan(1e-5 * size));
    };
    close(memory.f32.subarray(OUT / 4, OUT / 4 + whole.length), whole);
    close(memory.f32.subarray(STATE / 4, STATE / 4 + state.length), state);
  });
});
