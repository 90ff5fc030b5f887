import { describe, expect, it } from 'vitest';
import type { Backend } from '../../src/backends/backend.ts';
import { openReference } from '../../src/backends/reference/index.ts';
import { openWasm } from '../../src/backends/wasm/open.ts';
import { PAGE } from '../../src/formats/descriptor.ts';
import { KV4, KV32, isCodes, type KvCodesFormat, type KvFormat } from '../../src/formats/number-format.ts';
import { IMAGE_ALIGNMENT, type ArrayRef, type ModelImage } from '../../src/models/image.ts';
import { recipe } from '../../src/quantize/registry.ts';
import { quantize } from '../../src/quantize/run.ts';
import { createDecoder } from '../../src/runtime/decoder.ts';
import { estimate } from '../../src/runtime/estimate.ts';
import { allLogits } from '../support/logits.ts';
import { testModules } from '../support/modules.ts';
import { tinyStore, uniform } from '../support/tiny-model.ts';

const modules = await testModules();
const context = 150;
const ids = Array.from({ length: context }, (_, i) => (i * 89 + 7) % 260);
const store = tinyStore({ config: { context: 512 } });
const wasm = (bytes: number): Backend => openWasm(modules, 'simd128', bytes);

/** The image with constants for a static cache: keys and values of this model are about normal. */
function withConstants(image: ModelImage, kv: KvCodesFormat): ModelImage {
  const { manifest } = image;
  const { layers, kvHeads, headDim } = manifest.config;
  const channels = kvHeads * headDim;
  const random = uniform(5);
  const row = (value: () => number): number[] => Array.from({ length: channels }, value);
  const layer = (): number[] => [0, 1].flatMap(() => [...row(() => (9 + random()) / (2 ** kv.bits - 1)), ...row(() => -4.5 - random())]);
  const stride = Math.ceil((4 * channels * 4) / IMAGE_ALIGNMENT) * IMAGE_ALIGNMENT;
  const vectors = Object.fromEntries(
    Array.from({ length: layers }, (_, i): [string, ArrayRef] => [`layers.${i}.attn.kv`, { offset: manifest.bytes + i * stride, bytes: 4 * channels * 4 }]),
  );
  return {
    ...image,
    manifest: { ...manifest, kv, bytes: manifest.bytes + layers * stride, vectors: { ...manifest.vectors, ...vectors } },
    async* pieces() {
      yield* image.pieces();
      yield {
        offset: manifest.bytes, bytes: layers * stride,
        fill: async (target) => {
          for (let i = 0; i < layers; i++) target.set(new Uint8Array(Float32Array.from(layer()).buffer), i * stride);
        },
      };
    },
  };
}

/** Without quantised weights and activations: what differs, the cache does. */
const image = quantize(store, recipe('f32'));
const imageFor = (kv: KvFormat): ModelImage => (isCodes(kv) && kv.per === 'static' ? withConstants(image, kv) : image);
const logits = async (kv: KvFormat, open = wasm): Promise<Float32Array> => allLogits(await createDecoder(imageFor(kv), open, { context, kv, logitRows: PAGE }), ids);
const exact = await logits(KV32);

const ROPES = [{ rope: 'before' }, { rope: 'after' }, { rope: 'after', rotate: true }] as const;
const FORMATS = ([4, 8] as const).flatMap((bits) => (['token', 'static'] as const).flatMap((per) => ROPES.map((rope): KvCodesFormat => ({ bits, per, ...rope }))));
const text = ({ bits, per, rope, rotate }: KvCodesFormat): string => `${bits} bits per ${per}, ${rope} RoPE${rotate ? ', rotated' : ''}`;

/** Root mean square of the difference over that of `want`. */
function error(got: Float32Array, want: Float32Array): number {
  let [squares, size] = [0, 0];
  for (let i = 0; i < want.length; i++) {
    squares += (got[i]! - want[i]!) ** 2;
    size += want[i]! ** 2;
  }
  return Math.sqrt(squares / size);
}

/** Largest errors: a step of the coarser grid is 17 times as wide, and constants must cover all tokens. */
const MOST = { 4: { token: 0.2, static: 0.4 }, 8: { token: 0.012, static: 0.03 } } as const;

describe.each(FORMATS.map((kv) => [text(kv), kv] as const))('Decoder with codes of %s', (_, kv) => {
  it('gives the bytes of the reference, close to what an f32 cache gives', async () => {
    const own = await logits(kv);
    expect(Buffer.from(own.buffer).equals(Buffer.from((await logits(kv, openReference)).buffer))).toBe(true);
    const distance = error(own, exact);
    expect(distance).toBeLessThan(MOST[kv.bits][kv.per]);
    expect(distance).toBeGreaterThan(1e-4);
  });

  it('gives the same bits for blocks of any size, after truncation, and in a step with other sequences', async () => {
    const model = await createDecoder(imageFor(kv), wasm, { context, kv, logitRows: 2, sequences: 2 });
    const feed = (most: number, sequence: number, end: number): Float32Array => {
      let last: Float32Array = new Float32Array();
      let at = model.truncate(end, sequence);
      for (let size = 0; at < end; at += size) {
        size = Math.min(end - at, most, model.blockRoom(sequence));
        last = model.forward(ids.slice(at, at + size), sequence);
      }
      return last.slice();
    };
    const want = feed(64, 0, 140);
    for (const [keep, most] of [[0, 1], [0, 5], [0, 17], [139, 1], [129, 4], [70, 64], [3, 31]] as const) {
      expect(model.truncate(keep)).toBe(keep);
      expect(feed(most, 0, 140), `blocks of ${most} from ${keep}`).toEqual(want);
    }
    feed(64, 0, 139);
    model.truncate(139);
    feed(64, 1, 66);
    expect(model.step([ids[139]!, ids[66]!], [0, 1])[0]).toEqual(want);
  });
});

describe('Decoder with codes', () => {
  it('gives nearly the same before and after RoPE at 8 bits, and rotated', async () => {
    const [before, after, rotated] = await Promise.all(ROPES.map((rope) => logits({ bits: 8, per: 'token', ...rope })));
    expect(error(before!, after!)).toBeLessThan(0.015);
    expect(error(rotated!, after!)).toBeLessThan(0.015);
    expect(before).not.toEqual(after);
    expect(rotated).not.toEqual(after);
  });

  it('takes the memory that estimate() says', async () => {
    for (const kv of FORMATS) {
      const own = imageFor(kv);
      const model = await createDecoder(own, wasm, { context, kv });
      expect(estimate(own.manifest, { context, kv }).total, text(kv)).toBe(model.backend.memory.buffer.byteLength);
    }
  });

  it('refuses constants that are none or those of another cache, and rotations that are none', async () => {
    const kv: KvCodesFormat = { bits: 8, per: 'static', rope: 'after' };
    const made = withConstants(image, kv);
    const refusal = (own: ModelImage, other: KvFormat, problem: string): Promise<void> =>
      expect(createDecoder(own, wasm, { context, kv: other })).rejects.toMatchObject({ code: 'invalid_argument', message: expect.stringContaining(problem) });
    await refusal(image, kv, '8 bits per channel: the model has no constants for it');
    for (const other of [{ ...kv, bits: 4 }, { ...kv, rope: 'before' }, { ...kv, rotate: true }] as const) await refusal(made, other, 'no constants for it');
    await refusal(image, { bits: 8, per: 'token', rope: 'before', rotate: true }, 'rotate is true where rope is "before"');
    const odd = quantize(tinyStore({ config: { context: 512, headDim: 8 * 23, heads: 2 } }), recipe('f32'));
    await refusal(odd, { bits: 8, per: 'token', rope: 'after', rotate: true }, 'no Hadamard matrix for heads of 184 channels');
    await createDecoder(made, wasm, { context, kv: KV4 });
  });
});
