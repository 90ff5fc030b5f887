import { describe, expect, it } from 'vitest';
import { openWasm } from '../../src/backends/wasm/open.ts';
import { KV4, KV8, KV32, type KvFormat } from '../../src/formats/number-format.ts';
import { recipe } from '../../src/quantize/registry.ts';
import { quantize } from '../../src/quantize/run.ts';
import { createDecoder, type Decoder } from '../../src/runtime/decoder.ts';
import { estimate } from '../../src/runtime/estimate.ts';
import { testModules } from '../support/modules.ts';
import { tinyStore } from '../support/tiny-model.ts';

const modules = await testModules();
const context = 200;
const image = quantize(tinyStore({ config: { context } }), recipe('w4a8'));
const open = (kv: KvFormat, sequences: number): Promise<Decoder> =>
  createDecoder(image, (bytes) => openWasm(modules, 'simd128', bytes), { context, kv, sequences, logitRows: 8 });

/** Token i of sequence s, and how many come before the steps: within a page, at its end, on pages later. */
const token = (s: number, i: number): number => (s * 101 + i * (29 + s)) % 260;
const DEPTHS = [0, 3, 60, 63, 64, 100, 127];

function prefill(decoder: Decoder, sequence: number, text: number, end: number): void {
  for (let at = 0; at < end; ) {
    const size = Math.min(end - at, decoder.blockRoom(sequence));
    decoder.forward(Array.from({ length: size }, (_, i) => token(text, at + i)), sequence);
    at += size;
  }
}

describe.each([['4-bit', KV4], ['8-bit', KV8], ['f32', KV32]] as const)('Decoder.step() with %s caches', (_, kv) => {
  it('gives each sequence the bits that it has alone, in any order and company', async () => {
    const [together, alone] = [await open(kv, DEPTHS.length), await open(kv, 1)];
    const own = DEPTHS.map(() => 0);
    DEPTHS.forEach((depth, s) => prefill(together, s, s, depth));
    const got: Float32Array[][] = DEPTHS.map(() => []);
    for (let turn = 0; turn < 70; turn++) {
      const batch = DEPTHS.map((_depth, s) => (s + turn) % DEPTHS.length).filter((s) => (turn + s) % 4 !== 0);
      const rows = together.step(batch.map((s) => token(s, DEPTHS[s]! + own[s]!)), batch);
      expect(rows).toHaveLength(batch.length);
      batch.forEach((s, i) => {
        got[s]!.push(rows[i]!.slice());
        own[s]!++;
      });
    }
    DEPTHS.forEach((depth, s) => {
      alone.truncate(0);
      prefill(alone, 0, s, depth);
      got[s]!.forEach((row, i) => expect(row, `sequence ${s}, step ${i}`).toEqual(alone.forward([token(s, depth + i)])));
    });
  });

  it('truncates one sequence and leaves the others', async () => {
    const decoder = await open(kv, 2);
    for (const s of [0, 1]) prefill(decoder, s, s, 70);
    const want = decoder.forward([5], 1).slice();
    decoder.truncate(70, 1);
    decoder.truncate(0);
    expect([decoder.position, decoder.blockRoom(), decoder.blockRoom(1)]).toEqual([0, 64, 58]);
    expect(decoder.forward([5], 1)).toEqual(want);
  });
});

describe('Decoder.step()', () => {
  it('refuses sequences that are none or come twice, and full ones, with all states unchanged', async () => {
    const decoder = await open(KV4, 2);
    prefill(decoder, 1, 1, context);
    for (const [tokens, sequences] of [[[1], [2]], [[1, 1], [0, 0]], [[1], [0, 1]], [[], []]] as const) {
      expect(() => decoder.step(tokens, sequences)).toThrowError(expect.objectContaining({ code: 'invalid_argument' }));
    }
    expect(() => decoder.step([1, 1], [0, 1])).toThrowError(expect.objectContaining({ code: 'context_overflow' }));
    expect(() => decoder.step([260], [0])).toThrowError(expect.objectContaining({ code: 'invalid_argument' }));
    expect([decoder.position, decoder.blockRoom(1)]).toEqual([0, 0]);
  });

  it('takes the memory that estimate() says', async () => {
    for (const sequences of [1, 3]) {
      const decoder = await open(KV4, sequences);
      expect(estimate(image.manifest, { context, kv: KV4, sequences, logitRows: 8 }).total).toBe(decoder.backend.memory.buffer.byteLength);
    }
    await expect(open(KV4, 0)).rejects.toThrowError(expect.objectContaining({ code: 'invalid_argument' }));
  });
});
