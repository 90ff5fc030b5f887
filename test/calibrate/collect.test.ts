import { describe, expect, it } from 'vitest';
import { collectSamples } from '../../src/calibrate/collect.ts';
import { KV32 } from '../../src/formats/number-format.ts';
import type { WeightStore } from '../../src/models/weights.ts';
import { recipe } from '../../src/quantize/registry.ts';
import { quantize } from '../../src/quantize/run.ts';
import { createDecoder, type Decoder } from '../../src/runtime/decoder.ts';
import { openOwn } from '../support/layers.ts';
import { naiveLogits } from '../support/naive-llama.ts';
import { samplesOfRows } from '../support/samples.ts';
import { tinyStore } from '../support/tiny-model.ts';

const store = tinyStore();
const sequences = [70, 64, 9].map((length, s) => Array.from({ length }, (_, i) => (i * 89 + 7 + 31 * s) % 260));
const decoderOf = (from: WeightStore, context = 80): Promise<Decoder> => createDecoder(quantize(from, recipe('f32')), openOwn, { context, kv: KV32 });

/** A store in which one weight has another value. */
const withWeight = (name: string, at: number, value: number): WeightStore => ({
  ...store,
  tensor: (wanted) => {
    const tensor = store.tensor(wanted);
    if (wanted !== name) return tensor;
    return {
      ...tensor,
      read: async (from, to, signal) => {
        const rows = await tensor.read(from, to, signal);
        if (at >= from * tensor.cols && at < to * tensor.cols) rows[at - from * tensor.cols] = value;
        return rows;
      },
    };
  },
});

describe('collectSamples()', () => {
  it.each([0, 5, 66])('gives the statistics of a plain Llama for every linear, keys and values, without the first %i tokens', async (skip) => {
    const want = new Map<string, number[][]>();
    for (const ids of sequences) {
      const seen = new Map<string, number>();
      await naiveLogits(store, ids, {
        tap: (name, row) => {
          const position = seen.get(name) ?? 0;
          seen.set(name, position + 1);
          if (position >= skip) want.set(name, [...(want.get(name) ?? []), [...row]]);
        },
      });
    }
    const samples = await collectSamples(await decoderOf(store), sequences, { keep: 1000, skip });
    expect([...samples.keys()].filter((name) => name.startsWith('layers.1.')).sort()).toEqual(
      ['attn.keys', 'attn.o', 'attn.qkv', 'attn.values', 'mlp.down', 'mlp.gate_up'].map((name) => `layers.1.${name}`),
    );
    for (const [name, rows] of want) {
      if (name === 'output') continue;
      const expected = samplesOfRows(Float32Array.from(rows.flat()), rows[0]!.length);
      const got = samples.get(name)!;
      expect(got.tokens, name).toBe(rows.length);
      for (const field of ['rows', 'meanSquare', 'absmax', 'minimum', 'maximum'] as const) {
        const near = expected[field].every((value, i) => Math.abs(value - got[field][i]!) < 1e-4 * (1 + Math.abs(value)));
        expect(near, `${name} ${field}`).toBe(true);
      }
    }
    const last = sequences.reduce((sum, ids) => sum + (ids.length > skip ? 1 : 0), 0) + (skip < 64 ? 1 : 0);
    expect(samples.get('output')!.tokens).toBe(last);
  });

  it('keeps inputs of tokens that are spread evenly', async () => {
    const samples = await collectSamples(await decoderOf(store), sequences, { keep: 13 });
    const all = await collectSamples(await decoderOf(store), sequences, { keep: 1000 });
    const { rows, tokens } = samples.get('layers.0.mlp.down')!;
    expect(tokens).toBe(13);
    const cols = rows.length / tokens;
    for (let i = 0; i < 13; i++) {
      const at = Math.floor((i * 143) / 13) * cols;
      expect(rows.slice(i * cols, (i + 1) * cols)).toEqual(all.get('layers.0.mlp.down')!.rows.slice(at, at + cols));
    }
  });

  it.each([
    ['layers.1.mlp.norm', 3e38, 'layers.1.mlp.gate_up'],
    ['layers.0.attn.norm', 3e38, 'layers.0.attn.qkv'],
    ['layers.1.attn.v', 3e38, 'layers.1.attn.values'],
  ])('names the site whose activations are not finite: %s with %d', async (tensor, value, site) => {
    const decoder = await decoderOf(withWeight(tensor, 3, value));
    await expect(collectSamples(decoder, sequences)).rejects.toMatchObject({ code: 'invalid_argument', message: expect.stringContaining(`at ${site} `) });
  });

  it('refuses nothing to count, and sequences that are longer than the context', async () => {
    const decoder = await decoderOf(store);
    const invalid = { code: 'invalid_argument' };
    await expect(collectSamples(decoder, [[1, 2, 3]], { skip: 2 })).rejects.toMatchObject(invalid);
    await expect(collectSamples(decoder, [])).rejects.toMatchObject(invalid);
    await expect(collectSamples(decoder, [Array.from({ length: 81 }, () => 1)])).rejects.toMatchObject(invalid);
    expect(decoder.position).toBe(0);
  });

  it('stops when it is told to', async () => {
    const control = new AbortController();
    const progress: number[] = [];
    const run = collectSamples(await decoderOf(store), sequences, {
      signal: control.signal,
      onProgress: ({ loaded, total }) => {
        expect(total).toBe(143);
        progress.push(loaded);
        if (progress.length === 2) control.abort(new Error('enough'));
      },
    });
    await expect(run).rejects.toThrow('enough');
    expect(progress).toEqual([64, 70]);
  });
});
