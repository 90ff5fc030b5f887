import { describe, expect, it } from 'vitest';
import { openGguf } from '../../src/importers/open.ts';
import { bytesSource } from '../support/bytes.ts';
import {
  array, f32, float, string, tinyMetadata, tinyTensors, u32, uint, VALUE, writeGguf, type TestGguf, type TestTensor, type Value,
} from '../support/gguf.ts';

/** The tiny model with metadata and tensors replaced, added (not there yet) or, if null, removed. */
function variant(metadata: Readonly<Record<string, Value | null>>, tensors: Readonly<Record<string, Partial<TestTensor> | null>> = {}): TestGguf {
  const entries = new Map<string, Value | null>([...tinyMetadata, ...Object.entries(metadata)]);
  const infos = new Map<string, TestTensor>(tinyTensors.map((tensor) => [tensor.name, tensor]));
  for (const [name, change] of Object.entries(tensors)) {
    if (change === null) infos.delete(name);
    else infos.set(name, { name, dims: [16], type: 0, data: new Uint8Array(64), ...infos.get(name), ...change });
  }
  return { metadata: [...entries].flatMap(([key, value]) => (value ? [[key, value] as const] : [])), tensors: [...infos.values()] };
}

const open = (metadata: Parameters<typeof variant>[0] = {}, tensors: Parameters<typeof variant>[1] = {}) =>
  openGguf(bytesSource(writeGguf(variant(metadata, tensors)), 'folder/tiny.gguf'));

describe('openGguf()', () => {
  it('gives configuration, tokenizer and provenance', async () => {
    const { config, tokenizer, provenance } = await open();
    expect(config).toEqual({
      arch: 'llama', name: 'tiny.gguf', layers: 1, hidden: 16, heads: 2, kvHeads: 1, headDim: 8, ffn: 24, vocab: 4, context: 64,
      normEps: Math.fround(1e-5), rope: { theta: 10000, factors: null }, tied: true,
    });
    expect(tokenizer.eos).toEqual([3]);
    expect(provenance).toEqual({ source: 'tiny.gguf', format: 'gguf', license: 'mit' });
  });

  it('turns interleaved rows of q and k, and only these, into rotate-half order', async () => {
    const store = await open();
    const rows = async (name: string, from: number, to: number): Promise<number[]> =>
      [...(await store.tensor(name).read(from, to))].filter((_, i) => i % 16 === 0).map((value) => value / 16);
    const head = [0, 2, 4, 6, 1, 3, 5, 7];
    expect(await rows('layers.0.attn.q', 0, 16)).toEqual([...head, ...head.map((row) => row + 8)]);
    expect(await rows('layers.0.attn.q', 3, 10)).toEqual([6, 1, 3, 5, 7, 8, 10]);
    expect(await rows('layers.0.attn.q', 9, 9)).toEqual([]);
    expect(await rows('layers.0.attn.k', 0, 8)).toEqual(head);
    expect(await rows('layers.0.attn.v', 2, 5)).toEqual([2, 3, 4]);
  });

  it('readGrid() of an interleaved tensor agrees with read()', async () => {
    const hidden = { 'llama.embedding_length': uint(32), 'llama.attention.key_length': uint(8), 'llama.attention.head_count': uint(4) };
    const wide = Object.fromEntries(tinyTensors.map(({ name, dims }) => {
      const shape = dims.map((dim) => (dim === 16 ? 32 : Number(dim)));
      return [name, { dims: shape, data: new Uint8Array(4 * shape.reduce((n, dim) => n * dim, 1)) }];
    }));
    const blocks = Uint8Array.from({ length: 32 * 18 }, (_, i) => (i % 18 === 1 ? 0x38 + Math.floor(i / 72) : (i * 37) & 255));
    const store = await open(hidden, { ...wide, 'blk.0.attn_q.weight': { dims: [32, 32], type: 2, data: blocks } });
    const tensor = store.tensor('layers.0.attn.q');
    expect([tensor.type, tensor.grid]).toEqual(['Q4_0', { bits: 4, group: 32, hasMin: false }]);
    const [values, grid] = [await tensor.read(5, 27), await tensor.readGrid(5, 27)];
    const scale = values.map((value, i) => value / (grid.codes[i]! - grid.zero)).filter((value) => !Number.isNaN(value));
    expect(grid.codes.length).toBe(values.length);
    expect(new Set(scale).size).toBe(new Set(grid.scale).size);
    expect(new Set(grid.scale).size).toBeGreaterThan(8);
  });

  it('readGrid() of a float tensor is unsupported_type, a range outside the tensor invalid_argument', async () => {
    const tensor = (await open()).tensor('layers.0.mlp.up');
    await expect(tensor.readGrid(0, 1)).rejects.toMatchObject({ code: 'unsupported_type' });
    for (const [from, to] of [[-1, 1], [0, 25], [3, 2], [0.5, 1]] as const) {
      await expect(tensor.read(from, to)).rejects.toMatchObject({ code: 'invalid_argument' });
    }
  });

  it('tensor() of an unknown name is missing_tensor', async () => {
    const store = await open();
    expect(() => store.tensor('output')).toThrow(expect.objectContaining({ code: 'missing_tensor' }));
  });

  it('reads RoPE factors from rope_freqs.weight and linear scaling', async () => {
    const freqs = { 'rope_freqs.weight': { dims: [4], data: f32(1, 1, 2, 8) } };
    expect((await open({}, freqs)).config.rope.factors).toEqual([1, 1, 2, 8]);
    expect((await open({ 'llama.rope.scaling.factor': float(4) })).config.rope.factors).toEqual([4, 4, 4, 4]);
    expect((await open({ 'llama.rope.scaling.type': string('none'), 'llama.rope.scaling.factor': float(4) })).config.rope.factors).toBeNull();
    expect((await open({ 'llama.rope.scaling.factor': float(2) }, freqs)).config.rope.factors).toEqual([2, 2, 4, 16]);
  });

  it('caps the context at a sliding window', async () => {
    expect((await open({ 'llama.attention.sliding_window': uint(24) })).config.context).toBe(24);
  });

  it('takes an output layer as untied and equal values for every layer as one', async () => {
    const values = { 'llama.attention.head_count_kv': array(VALUE.u32, [u32(1)]) };
    const { config } = await open(values, { 'output.weight': { dims: [16, 4], data: new Uint8Array(256) } });
    expect([config.tied, config.kvHeads]).toEqual([false, 1]);
  });

  it.each<[string, Parameters<typeof variant>, string, RegExp]>([
    ['another architecture', [{ 'general.architecture': string('qwen2') }], 'unsupported_model', /"qwen2", supported are llama/],
    ['no architecture', [{ 'general.architecture': null }], 'invalid_file', /"architecture" is missing/],
    ['one part of a split file', [{ 'split.count': uint(3) }], 'unsupported_model', /one part of several/],
    ['yarn scaling', [{ 'llama.rope.scaling.type': string('yarn') }], 'unsupported_model', /"yarn", supported are/],
    ['a missing field', [{ 'llama.block_count': null }], 'invalid_file', /"block_count" is missing/],
    ['a field of another kind', [{ 'llama.block_count': string('one') }], 'invalid_file', /"block_count" is "one"/],
    ['billions of layers', [{ 'llama.block_count': uint(0xffffffff) }], 'invalid_file', /"block_count" is "4294967295"/],
    ['heads of a fraction', [{ 'llama.attention.head_count': uint(3) }], 'invalid_file', /"attention.key_length" is "5.33/],
    ['heads of 4 channels', [{ 'llama.attention.head_count': uint(4) }], 'unsupported_model', /multiple of 8/],
    ['ungroupable heads', [{ 'llama.attention.head_count_kv': uint(3) }], 'unsupported_model', /2 heads over 3/],
    ['value heads of another size', [{ 'llama.attention.value_length': uint(16) }], 'unsupported_model', /"attention.value_length"/],
    ['partial rotation', [{ 'llama.attention.key_length': uint(8), 'llama.rope.dimension_count': uint(4) }], 'unsupported_model', /"rope.dimension_count"/],
    ['experts', [{ 'llama.expert_count': uint(8) }], 'unsupported_model', /"expert_count"/],
    ['layers that differ', [{ 'llama.feed_forward_length': array(VALUE.u32, [u32(24), u32(32)]) }], 'unsupported_model', /differs between layers/],
    ['a missing tensor', [{}, { 'blk.0.ffn_up.weight': null }], 'missing_tensor', /"blk.0.ffn_up.weight"/],
    ['no embedding', [{}, { 'token_embd.weight': null }], 'missing_tensor', /"token_embd.weight"/],
    ['a tensor of another shape', [{}, { 'blk.0.ffn_up.weight': { dims: [24, 16] } }], 'invalid_file', /shape \[16, 24\], needed \[24, 16\]/],
    ['a bias', [{}, { 'blk.0.attn_q.bias': {} }], 'unsupported_model', /"blk.0.attn_q.bias" has no place/],
    ['RoPE factors of another size', [{}, { 'rope_freqs.weight': {} }], 'invalid_file', /shape is \[1, 16\], needed \[1, 4\]/],
    ['RoPE factors of 0', [{}, { 'rope_freqs.weight': { dims: [4], data: f32(1, 1, 0, 1) } }], 'invalid_file', /positive/],
    [
      'a first token outside the embedding',
      [{ 'tokenizer.ggml.bos_token_id': uint(3) }, { 'token_embd.weight': { dims: [16, 2], data: new Uint8Array(128) } }],
      'invalid_file', /begins with token 3, needed one below 2/,
    ],
  ])('refuses %s and closes the source', async (_, change, code, message) => {
    const source = bytesSource(writeGguf(variant(...change)), 'tiny.gguf');
    await expect(openGguf(source)).rejects.toMatchObject({ name: 'TetradError', code, message: expect.stringMatching(message) });
    expect(source.closed).toBe(true);
  });
});
