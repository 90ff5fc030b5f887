import { describe, expect, it } from 'vitest';
import { openWasm } from '../../src/backends/wasm/open.ts';
import { kvHeadBytes } from '../../src/formats/kv-layout.ts';
import { KV4, KV8, KV32, type KvFormat } from '../../src/formats/number-format.ts';
import { recipe } from '../../src/quantize/registry.ts';
import { quantize } from '../../src/quantize/run.ts';
import { createDecoder, type Decoder } from '../../src/runtime/decoder.ts';
import { checkBudget, estimate } from '../../src/runtime/estimate.ts';
import { kvLayerBytes } from '../../src/runtime/layout.ts';
import { testModules } from '../support/modules.ts';
import { tinyStore } from '../support/tiny-model.ts';

const modules = await testModules();
const CONTEXT = 300;
const image = quantize(tinyStore({ config: { context: 512 } }), recipe('w4a8'));
const ids = Array.from({ length: CONTEXT }, (_, i) => (i * 89 + 7) % 260);
const decoder = (kv: KvFormat): Promise<Decoder> => createDecoder(image, (bytes) => openWasm(modules, 'simd128', bytes), { context: CONTEXT, kv });

/** Feeds ids[position..end) in blocks of at most `most`; a copy of the last logits. */
function feed(model: Decoder, end: number, most: number): Float32Array {
  let logits = new Float32Array();
  while (model.position < end) {
    const from = model.position;
    logits = model.forward(ids.slice(from, Math.min(end, from + Math.min(most, model.blockRoom())))).slice();
  }
  return logits;
}

const COARSE: KvFormat = { bits: 4, keyGroup: 64, valueGroup: 64, firstPage: 4 };
const CACHES = [['4-bit', KV4], ['8-bit', KV8], ['f32', KV32], ['coarse 4-bit', COARSE]] as const;

describe.each(CACHES)('Decoder with a %s cache', (_, kv) => {
  it('gives the same bits for blocks of any size', async () => {
    const model = await decoder(kv);
    const whole = feed(model, 273, 64);
    for (const most of [1, 3, 17, 63]) {
      model.truncate(0);
      expect(feed(model, 273, most), `blocks of ${most}`).toEqual(whole);
    }
  });

  it('gives the same bits after truncation to any position', async () => {
    const model = await decoder(kv);
    const want = feed(model, 205, 64);
    for (const [reach, keep] of [[205, 204], [205, 192], [205, 130], [205, 64], [205, 40], [128, 128], [128, 127], [129, 128], [66, 3], [70, 0]] as const) {
      model.truncate(0);
      feed(model, reach, 64);
      const reached = model.truncate(keep);
      expect(reached).toBeLessThanOrEqual(keep);
      expect(keep - reached).toBeLessThan(64);
      expect(feed(model, 205, 64), `${reach} tokens cut to ${keep}`).toEqual(want);
    }
  });
});

describe('Decoder', () => {
  it('sees page 0 at the bits that the format says once the next page begins', async () => {
    const [plain, first4, keys64] = await Promise.all([KV4, { ...KV4, firstPage: 4 } as const, { ...KV4, keyGroup: 64 } as const].map(decoder));
    const at = (model: Decoder, end: number): Float32Array => feed(model, end, 64);
    const [own, other, third] = [plain!, first4!, keys64!].map((model) => [64, 65, 128, 129].map((end) => at(model, end)));
    expect(other![0]).toEqual(own![0]);
    expect(other![1]).not.toEqual(own![1]);
    expect(third!.slice(0, 3)).toEqual(own!.slice(0, 3));
    expect(third![3]).not.toEqual(own![3]);
  });

  it('refuses tokens that are none and blocks that cross a page, with its state unchanged', async () => {
    const model = await decoder(KV4);
    feed(model, 60, 64);
    expect(() => model.forward([260])).toThrowError(expect.objectContaining({ code: 'invalid_argument' }));
    expect(() => model.forward([-1])).toThrowError(expect.objectContaining({ code: 'invalid_argument' }));
    expect(() => model.forward([1, 2, 3, 4, 5])).toThrowError(expect.objectContaining({ code: 'context_overflow' }));
    expect(() => model.forward([])).toThrowError(expect.objectContaining({ code: 'context_overflow' }));
    expect(model.position).toBe(60);
    const after = feed(model, 70, 64);
    model.truncate(0);
    expect(feed(model, 70, 64)).toEqual(after);
  });

  it('fills its context to the last token and no further', async () => {
    const model = await decoder(KV4);
    feed(model, CONTEXT, 64);
    expect(model.blockRoom()).toBe(0);
    expect(() => model.forward([1])).toThrowError(expect.objectContaining({ code: 'context_overflow' }));
  });
});

describe('kvLayerBytes()', () => {
  it('counts the pages of the format: open, kept and packed ones', () => {
    const { headDim } = image.manifest.config;
    const bytes = (kv: KvFormat, context: number): number => kvLayerBytes(kv, context, 3, headDim) / 3;
    const open = kvHeadBytes(KV8, headDim);
    expect(bytes(KV4, 300)).toBe(2 * open + 3 * kvHeadBytes(KV4, headDim));
    expect(bytes(COARSE, 300)).toBe(open + 4 * kvHeadBytes(COARSE, headDim));
    expect([1, 64, 65].map((context) => bytes(KV4, context) / open)).toEqual([1, 1, 2]);
    expect(bytes(COARSE, 64)).toBe(open);
    expect(bytes(KV32, 300)).toBe(5 * kvHeadBytes(KV32, headDim));
  });
});

describe('estimate()', () => {
  const cases = CACHES.flatMap(([name, kv]) => [1, 64, 65, 300].map((context) => [context, name, kv] as const));
  it.each(cases)('says the bytes that a decoder of context %d and a %s cache allocates', async (context, _, kv) => {
    const model = await createDecoder(image, (bytes) => openWasm(modules, 'simd128', bytes), { context, kv });
    expect(estimate(image.manifest, { context, kv }).total).toBe(model.backend.memory.buffer.byteLength);
  });

  it('is held against a budget with all figures', () => {
    const figures = estimate(image.manifest, { context: 300, kv: KV4 });
    checkBudget(figures, figures.total);
    expect(() => checkBudget(figures, figures.total - 1)).toThrowError(expect.objectContaining({ code: 'over_budget', message: expect.stringMatching(/weights .* KV cache .* budget/) }));
  });
});
