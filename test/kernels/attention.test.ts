import { describe, expect, it } from 'vitest';
import { ATTENTION_SCRATCH, type Kernels, type LinearMemory } from '../../src/backends/backend.ts';
import { expF32 } from '../../src/core/numeric.ts';
import { PAGE } from '../../src/formats/descriptor.ts';
import { FILL_NAMES, expectSame, fillF32, pair, type Fill } from '../support/kernels.ts';
import { lcg } from '../support/linear.ts';

const SCRATCH = 256;
const STATE = 4096;
const TILES = 8192;
const Q = 1 << 18;
const OUT = Q + (1 << 18);
const BYTES = OUT + (1 << 18);

interface Shape {
  readonly headDim: number;
  readonly tokens: number;
  readonly group: number;
  readonly visible: number;
  readonly causal: 0 | 1;
}

const visibleAt = (s: Shape, t: number): number => Math.min(PAGE, s.visible + t * s.causal);
const keysAt = (page: number, headDim: number): number => TILES + 2 * page * PAGE * headDim * 4;
const valuesAt = (page: number, headDim: number): number => keysAt(page, headDim) + PAGE * headDim * 4;
const strideOf = (s: Shape): number => s.group * s.headDim + 4;

/** Queries, and tiles of which only the tokens that some query sees hold numbers. */
function fill(memory: LinearMemory, s: Shape, kind: Fill, pages: number): void {
  for (let t = 0; t < s.tokens; t++) fillF32(memory, Q + t * strideOf(s) * 4, s.group * s.headDim, kind, t + 1);
  for (let page = 0; page < pages; page++) {
    const seen = page + 1 < pages ? PAGE : visibleAt(s, s.tokens - 1);
    for (let c = 0; c < s.headDim; c++) fillF32(memory, keysAt(page, s.headDim) + c * PAGE * 4, seen, kind, 100 * page + c);
    fillF32(memory, valuesAt(page, s.headDim), seen * s.headDim, kind, 1000 + page);
  }
}

/** Full pages, then the last one of the shape. */
function attend(k: Kernels, s: Shape, pages: number): void {
  const stride = strideOf(s);
  for (let page = 0; page < pages; page++) {
    const [visible, causal] = page + 1 < pages ? [PAGE, 0] : [s.visible, s.causal];
    k.attentionPage(
      Q, stride, OUT, stride, STATE, s.tokens, s.group, s.headDim, keysAt(page, s.headDim), valuesAt(page, s.headDim),
      visible, causal, page === 0 ? 1 : 0, 1 / Math.sqrt(s.headDim), SCRATCH,
    );
  }
}

const finish = (k: Kernels, s: Shape): void => k.attentionFinish(OUT, strideOf(s), STATE, s.tokens, s.group, s.headDim);

function expectReference(s: Shape, kind: Fill): void {
  const rows = Array.from({ length: s.tokens }, (_, t) => [OUT + t * strideOf(s) * 4, s.group * s.headDim * 4, 'nan'] as const);
  expectSame(BYTES, (memory) => fill(memory, s, kind, 2), (k) => {
    attend(k, s, 2);
    finish(k, s);
  }, [[SCRATCH, ATTENTION_SCRATCH, 'ignore'], [STATE, s.tokens * s.group * 8, 'nan'], ...rows]);
}

describe('attentionPage() and attentionFinish()', () => {
  it.each([8, 16, 40, 64, 80, 128])('equal the reference byte for byte over two pages: %d channels, every fill, unseen tokens NaN', (headDim) => {
    for (const kind of FILL_NAMES) {
      for (const [tokens, group, visible, causal] of [[1, 3, 1, 0], [2, 1, 33, 0], [3, 4, 62, 1], [1, 1, 64, 0]] as const) {
        expectReference({ headDim, tokens, group, visible, causal }, kind);
      }
    }
  });

  it('equal the reference for every number of visible tokens', () => {
    for (let visible = 1; visible <= PAGE; visible++) expectReference({ headDim: 24, tokens: 1, group: 3, visible, causal: 0 }, 'random');
    expectReference({ headDim: 16, tokens: 64, group: 2, visible: 1, causal: 1 }, 'random');
    expectReference({ headDim: 16, tokens: 64, group: 1, visible: 40, causal: 1 }, 'mixed');
  });

  it('weigh tokens by exactly expF32(score - maximum)', () => {
    const headDim = PAGE;
    const { memory, kernels } = pair(BYTES).wasm;
    const { f32 } = memory;
    const [keys, values] = [keysAt(0, headDim) / 4, valuesAt(0, headDim) / 4];
    const random = lcg(11);
    f32[Q / 4] = 1; // the score of a token is its first key
    for (let t = 0; t < PAGE; t++) f32[values + t * headDim + t] = 1;
    for (let round = 0; round < 300; round++) {
      for (let t = 0; t < PAGE; t++) f32[keys + t] = t === 0 ? 40 : 40 - random() * 90;
      kernels.attentionPage(Q, headDim, OUT, headDim, STATE, 1, 1, headDim, keys * 4, values * 4, PAGE, 0, 1, 1, SCRATCH);
      const want = Array.from({ length: PAGE }, (_, t) => expF32(Math.fround(f32[keys + t]! - 40)));
      expect([...f32.subarray(OUT / 4, OUT / 4 + PAGE)]).toEqual(want);
    }
  });

  it.each(['random', 'constant', 'one-hot', 'tiny', 'mixed'] satisfies Fill[])('give softmax(q K / sqrt(d)) V as computed in f64: %s', (kind) => {
    const s: Shape = { headDim: 64, tokens: 5, group: 3, visible: 17, causal: 1 };
    const pages = 2;
    const { memory, kernels } = pair(BYTES).wasm;
    fill(memory, s, kind, pages);
    attend(kernels, s, pages);
    finish(kernels, s);
    const { f32 } = memory;
    for (let query = 0; query < s.tokens * s.group; query++) {
      const t = Math.floor(query / s.group);
      const row = t * strideOf(s) + (query % s.group) * s.headDim;
      const tokens = Array.from({ length: PAGE + visibleAt(s, t) }, (_, i) => ({ page: i >> 6, i: i & 63 }));
      let magnitude = 0;
      const scores = tokens.map(({ page, i }) => {
        let dot = 0;
        let size = 0;
        for (let c = 0; c < s.headDim; c++) {
          const term = f32[Q / 4 + row + c]! * f32[keysAt(page, s.headDim) / 4 + c * PAGE + i]!;
          dot += term;
          size += Math.abs(term);
        }
        magnitude = Math.max(magnitude, size / Math.sqrt(s.headDim));
        return dot / Math.sqrt(s.headDim);
      });
      const peak = Math.max(...scores);
      const weights = scores.map((score) => Math.exp(score - peak));
      const sum = weights.reduce((a, b) => a + b, 0);
      // Each score is off by at most `magnitude` times its rounded operations; weights follow relatively, then come sums over all tokens.
      const relative = 2 * Math.expm1((s.headDim + 3) * 2 ** -24 * magnitude) + 4 * (tokens.length + 8) * 2 ** -24;
      for (let c = 0; c < s.headDim; c++) {
        const terms = tokens.map(({ page, i }, n) => (weights[n]! / sum) * f32[valuesAt(page, s.headDim) / 4 + i * s.headDim + c]!);
        const want = terms.reduce((a, b) => a + b, 0);
        const bound = relative * terms.reduce((a, b) => a + Math.abs(b), 0) + 2 ** -140 + Math.exp(-87) * 1e3;
        expect(Math.abs(f32[OUT / 4 + row + c]! - want)).toBeLessThanOrEqual(bound);
      }
    }
  });
});
