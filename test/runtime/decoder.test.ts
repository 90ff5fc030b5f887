import { describe, expect, it } from 'vitest';
import { openWasm } from '../../src/backends/wasm/open.ts';
import type { KvBits } from '../../src/formats/number-format.ts';
import { recipe } from '../../src/quantize/registry.ts';
import { quantize } from '../../src/quantize/run.ts';
import { createDecoder, type Decoder } from '../../src/runtime/decoder.ts';
import { checkBudget, estimate } from '../../src/runtime/estimate.ts';
import { testModules } from '../support/modules.ts';
import { tinyStore } from '../support/tiny-model.ts';

const modules = await testModules();
const CONTEXT = 300;
const image = quantize(tinyStore({ config: { context: 512 } }), recipe('w4a8'));
const ids = Array.from({ length: CONTEXT }, (_, i) => (i * 89 + 7) % 260);
const decoder = (kv: KvBits): Promise<Decoder> => createDecoder(image, (bytes) => openWasm(modules, 'simd128', bytes), { context: CONTEXT, kv });

/** Feeds ids[position..end) in blocks of at most `most`; a copy of the last logits. */
function feed(model: Decoder, end: number, most: number): Float32Array {
  let logits = new Float32Array();
  while (model.position < end) {
    const from = model.position;
    logits = model.forward(ids.slice(from, Math.min(end, from + Math.min(most, model.blockRoom())))).slice();
  }
  return logits;
}

describe.each([4, 8, 32] as const)('Decoder with a %d-bit cache', (kv) => {
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
  it('refuses tokens that are none and blocks that cross a page, with its state unchanged', async () => {
    const model = await decoder(4);
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
    const model = await decoder(4);
    feed(model, CONTEXT, 64);
    expect(model.blockRoom()).toBe(0);
    expect(() => model.forward([1])).toThrowError(expect.objectContaining({ code: 'context_overflow' }));
  });
});

describe('estimate()', () => {
  it.each([[64, 4], [300, 4], [300, 8], [300, 32], [1, 4]] as const)('says the bytes that a decoder of context %d and KV%d allocates', async (context, kv) => {
    const model = await createDecoder(image, (bytes) => openWasm(modules, 'simd128', bytes), { context, kv });
    expect(estimate(image.manifest, { context, kv }).total).toBe(model.backend.memory.buffer.byteLength);
  });

  it('is held against a budget with all figures', () => {
    const figures = estimate(image.manifest, { context: 300, kv: 4 });
    checkBudget(figures, figures.total);
    expect(() => checkBudget(figures, figures.total - 1)).toThrowError(expect.objectContaining({ code: 'over_budget', message: expect.stringMatching(/weights .* KV cache .* budget/) }));
  });
});
