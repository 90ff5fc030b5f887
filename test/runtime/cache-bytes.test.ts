import { describe, expect, it } from 'vitest';
import { openReference } from '../../src/backends/reference/index.ts';
import { openWasm } from '../../src/backends/wasm/open.ts';
import type { OpenBackend } from '../../src/backends/backend.ts';
import { KV32, KV4, KV8, type KvFormat } from '../../src/formats/number-format.ts';
import { recipe } from '../../src/quantize/registry.ts';
import { quantize } from '../../src/quantize/run.ts';
import { createDecoder, type Decoder } from '../../src/runtime/decoder.ts';
import { testModules } from '../support/modules.ts';
import { tinyStore } from '../support/tiny-model.ts';

const modules = await testModules();
const simd: OpenBackend = (bytes) => openWasm(modules, 'simd128', bytes);
const CONTEXT = 300;
/** `kvHeads` of 24 channels: 4-bit pages have columns that mean nothing. */
const image = quantize(tinyStore({ config: { context: 512 } }), recipe('w4a8'));
const wide = quantize(tinyStore({ config: { context: 512, headDim: 32, hidden: 128 } }), recipe('w4a8'));
const ids = Array.from({ length: CONTEXT }, (_, i) => (i * 89 + 7) % 260);

const decoder = (kv: KvFormat, { context = CONTEXT, open = simd, from = image }: { context?: number; open?: OpenBackend; from?: typeof image } = {}): Promise<Decoder> =>
  createDecoder(from, open, { context, kv, logitRows: 8 });

/** Feeds ids[position..end) in blocks of at most `most`; a copy of the last logits. */
function feed(model: Decoder, end: number, most = 64): Float32Array {
  let logits = new Float32Array();
  while (model.position < end) {
    const from = model.position;
    logits = model.forward(ids.slice(from, Math.min(end, from + Math.min(most, model.blockRoom())))).slice();
  }
  return logits;
}

function saved(model: Decoder, tokens: number): Uint8Array {
  const bytes = new Uint8Array(model.cacheBytes(tokens));
  model.saveCache(tokens, bytes);
  return bytes;
}

const same = (a: Uint8Array | Float32Array, b: Uint8Array | Float32Array): boolean =>
  Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(Buffer.from(b.buffer, b.byteOffset, b.byteLength));

/** Runs other tokens behind what is there, as guesses, and drops them. */
function guess(model: Decoder): void {
  const at = model.position;
  const many = Math.min(5, model.blockRoom());
  if (many === 0) return;
  model.forwardRows(Array.from({ length: many }, (_, i) => 259 - i), many);
  model.truncate(at);
}

const COARSE: KvFormat = { bits: 4, keyGroup: 64, valueGroup: 16, firstPage: 4 };
const CACHES: readonly (readonly [string, KvFormat])[] = [
  ['4-bit', KV4], ['coarse 4-bit', COARSE], ['8-bit', KV8], ['f32', KV32],
  ['codes before RoPE', { bits: 4, per: 'token', rope: 'before' }], ['codes', { bits: 8, per: 'token', rope: 'after' }],
];
const BORDERS = [0, 1, 62, 63, 64, 65, 127, 128, 129, 130, 191, 192, 193, 255, 256, 257];

describe.each(CACHES)('Decoder.saveCache() of a %s cache', (_, kv) => {
  it('is taken over by a model of another context that goes on with the same bits, at every border of pages', async () => {
    const [whole, model, other, short] = [await decoder(kv), await decoder(kv), await decoder(kv, { context: 280 }), await decoder(kv)];
    feed(other, 200);
    for (const tokens of BORDERS) {
      for (const guesses of [false, true]) {
        model.truncate(0);
        feed(model, tokens, 7);
        if (guesses) guess(model);
        const bytes = saved(model, tokens);
        expect(other.restoreCache(tokens, bytes)).toBe(tokens);
        whole.truncate(0);
        expect(same(feed(other, 280), feed(whole, 280)), `${tokens} tokens, guesses: ${guesses}`).toBe(true);
        short.truncate(0);
        feed(short, tokens);
        expect(same(saved(short, tokens), bytes), `bytes of ${tokens} tokens`).toBe(true);
        expect(same(feed(model, 280), feed(short, 280)), 'saving changes nothing').toBe(true);
      }
    }
  });

  it('of fewer tokens than there are has nothing of the rest', async () => {
    const [model, other] = [await decoder(kv), await decoder(kv)];
    for (const tokens of [5, 64, 70, 127, 128]) {
      model.truncate(0);
      other.truncate(0);
      feed(model, tokens + 1);
      feed(other, tokens);
      expect(same(saved(model, tokens), saved(other, tokens)), `${tokens} tokens`).toBe(true);
    }
  });

  it('has the same bytes on scalar kernels and on every path', async () => {
    for (const from of [image, wide]) {
      const bytes: Uint8Array[] = [];
      for (const open of [openReference, simd, ...(modules.relaxed ? [(size: number) => openWasm(modules, 'relaxed-i32', size)] : [])]) {
        const model = await decoder(kv, { open, from });
        feed(model, 133);
        bytes.push(saved(model, 133));
      }
      expect(bytes.map((own) => same(own, bytes[0]!))).toEqual(bytes.map(() => true));
    }
  });

  it('that fills the context is taken over as far as pages have a place, and goes on alike', async () => {
    const [model, full, exact] = [await decoder(kv), await decoder(kv, { context: 192 }), await decoder(kv, { context: 128 })];
    feed(model, 128);
    const bytes = saved(model, 128);
    expect(full.restoreCache(128, bytes)).toBe(128);
    expect(same(feed(full, 192), feed(model, 192))).toBe(true);
    const reached = exact.restoreCache(128, bytes);
    expect(reached).toBe(kv.bits === 4 && 'keyGroup' in kv ? 64 : 128);
    feed(exact, 128);
    expect(same(saved(exact, 128), bytes)).toBe(true);
    expect(() => exact.restoreCache(129, new Uint8Array(exact.cacheBytes(129)))).toThrow(expect.objectContaining({ code: 'context_overflow' }));
  });
});

describe('Decoder.saveCache()', () => {
  it('refuses more tokens than there are', async () => {
    const model = await decoder(KV4);
    feed(model, 10);
    expect(() => saved(model, 11)).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
  });
});
