import { describe, expect, it } from 'vitest';
import { openSafetensors } from '../../src/importers/open.ts';
import { readSafetensorsHeader } from '../../src/importers/safetensors/header.ts';
import { bytesDirectory, bytesSource } from '../support/bytes.ts';
import { concat, u64 } from '../support/gguf.ts';
import { countingTensors, json, tinyConfig, tinyFiles, tinyShapes, tinyTokenizer, utf8, writeSafetensors } from '../support/safetensors.ts';

const open = (files: Record<string, Uint8Array> = {}) => openSafetensors(bytesDirectory(tinyFiles(files), 'folder/tiny'));
const openConfig = (config: object) => open({ 'config.json': json({ ...tinyConfig, ...config }) });
const entry = (begin: unknown, end: unknown, shape: unknown = [2], dtype: unknown = 'F32') => ({ dtype, shape, data_offsets: [begin, end] });
const data = (bytes: number): Uint8Array => new Uint8Array(bytes);

describe('readSafetensorsHeader()', () => {
  it('places tensors after the header', async () => {
    const header = { __metadata__: { format: 'pt' }, b: entry(8, 16), a: entry(0, 8, [2, 2], 'BF16'), scalar: entry(16, 18, [], 'F16') };
    const bytes = writeSafetensors(header, data(18));
    const tensors = await readSafetensorsHeader(bytesSource(bytes));
    expect([...tensors.keys()]).toEqual(['a', 'b', 'scalar']);
    expect(tensors.get('a')).toMatchObject({ offset: bytes.length - 18, rows: 2, cols: 2, type: { name: 'BF16' } });
    expect(tensors.get('scalar')).toMatchObject({ offset: bytes.length - 2, rows: 1, cols: 1, type: { name: 'F16' } });
  });

  it.each<[string, Uint8Array, string, RegExp]>([
    ['an empty file', data(0), 'invalid_file', /0 bytes/],
    ['a header longer than the file', concat(u64(2n ** 63n), data(8)), 'invalid_file', /header has 9223372036854775808 bytes, at most 8/],
    ['a header that is not JSON', writeSafetensors('{"a":', data(0)), 'invalid_file', /not JSON/],
    ['a header that is a list', writeSafetensors('[]', data(0)), 'invalid_file', /another JSON value/],
    ['deep nesting', writeSafetensors('['.repeat(200000), data(0)), 'invalid_file', /not JSON/],
    ['a tensor without fields', writeSafetensors({ a: 1 }, data(0)), 'invalid_file', /"a" is malformed/],
    ['a negative dimension', writeSafetensors({ a: entry(0, 8, [-2]) }, data(8)), 'invalid_file', /malformed/],
    ['a negative offset', writeSafetensors({ a: entry(-8, 0) }, data(8)), 'invalid_file', /malformed/],
    ['text as offsets', writeSafetensors({ a: entry('0', '8') }, data(8)), 'invalid_file', /malformed/],
    ['a wrong size', writeSafetensors({ a: entry(0, 8, [3]) }, data(8)), 'invalid_file', /takes 8 bytes, needed 12/],
    ['a shape that overflows', writeSafetensors({ a: entry(0, 8, [2 ** 52, 2 ** 52]) }, data(8)), 'invalid_file', /takes 8 bytes/],
    ['an unknown type', writeSafetensors({ a: entry(0, 8, [8], 'F8_E4M3') }, data(8)), 'unsupported_type', /"F8_E4M3", supported are F32, F16, BF16/],
    ['overlapping tensors', writeSafetensors({ a: entry(0, 8), b: entry(4, 12) }, data(12)), 'invalid_file', /"b" begins at 4 where the one before ends at 8/],
    ['a gap', writeSafetensors({ a: entry(0, 8), b: entry(12, 20) }, data(20)), 'invalid_file', /"b" begins at 12/],
    ['missing data', writeSafetensors({ a: entry(0, 8) }, data(7)), 'invalid_file', /end at byte/],
    ['data left over', writeSafetensors({ a: entry(0, 8) }, data(9)), 'invalid_file', /end at byte/],
  ])('refuses %s', async (_, bytes, code, message) => {
    await expect(readSafetensorsHeader(bytesSource(bytes))).rejects.toMatchObject({ name: 'TetradError', code, message: expect.stringMatching(message) });
  });
});

describe('openSafetensors()', () => {
  it('gives configuration, tokenizer and provenance; rows stay in order', async () => {
    const store = await open();
    expect(store.config).toEqual({
      arch: 'llama', name: 'tiny', layers: 1, hidden: 16, heads: 2, kvHeads: 1, headDim: 8, ffn: 24, vocab: 4, context: 64, normEps: 1e-5,
      rope: { theta: 10000, factors: null }, tied: true,
    });
    expect(store.tokenizer).toEqual({ tokenizer: tinyTokenizer, bos: 1, eos: [3], addBos: false, chatTemplate: null });
    expect(store.provenance).toEqual({ source: 'tiny', format: 'safetensors', license: null });
    expect([...(await store.tensor('layers.0.attn.q').read(3, 5))]).toEqual(Array.from({ length: 32 }, (_, i) => 48 + i));
  });

  it('reads shards through an index', async () => {
    const index = (map: Record<string, string>): Uint8Array => json({ weight_map: map });
    const [first, second] = ['model-1.safetensors', 'model-2.safetensors'] as const;
    const { 'model.norm.weight': norm, ...rest } = tinyShapes;
    const files = tinyFiles({
      'model.safetensors.index.json': index({ ...Object.fromEntries(Object.keys(rest).map((name) => [name, first])), 'model.norm.weight': second }),
      [first]: countingTensors(rest),
      [second]: countingTensors({ 'model.norm.weight': norm! }),
    });
    delete files['model.safetensors'];
    const store = await openSafetensors(bytesDirectory(files));
    expect([...(await store.tensor('norm').read(0, 1))]).toEqual(Array.from({ length: 16 }, (_, i) => i));
    const wrong = [['../secret.safetensors', /needed a file name/], ['/etc/passwd', /needed a file name/], [first, /has no tensor "model.norm.weight"/]] as const;
    for (const [path, message] of wrong) {
      files['model.safetensors.index.json'] = index({ 'model.norm.weight': path });
      await expect(openSafetensors(bytesDirectory(files))).rejects.toMatchObject({ code: 'invalid_file', message: expect.stringMatching(message) });
    }
  });

  it('reads a chat template file and generation_config.json', async () => {
    const { tokenizer } = await open({ 'chat_template.jinja': utf8('{{ messages }}'), 'generation_config.json': json({ eos_token_id: [2, 3] }) });
    expect([tokenizer.chatTemplate, tokenizer.eos]).toEqual(['{{ messages }}', [2, 3]]);
  });

  it('ignores the output layer of a tied model and demands that of an untied one', async () => {
    const withHead = countingTensors({ ...tinyShapes, 'lm_head.weight': [4, 16] });
    expect((await open({ 'model.safetensors': withHead })).has('output')).toBe(false);
    const untied = json({ ...tinyConfig, tie_word_embeddings: false });
    expect((await open({ 'model.safetensors': withHead, 'config.json': untied })).has('output')).toBe(true);
    await expect(open({ 'config.json': untied })).rejects.toMatchObject({ code: 'missing_tensor', message: expect.stringMatching(/"lm_head.weight"/) });
  });

  it('reads Mistral with its sliding window', async () => {
    const { config } = await openConfig({ architectures: ['MistralForCausalLM'], sliding_window: 32 });
    expect([config.arch, config.context]).toEqual(['mistral', 32]);
    expect((await openConfig({ architectures: ['MistralForCausalLM'], sliding_window: null })).config.context).toBe(64);
  });

  it.each<[string, object, readonly number[] | null, number]>([
    ['linear', { rope_scaling: { type: 'linear', factor: 2 }, rope_theta: 500 }, [2, 2, 2, 2], 500],
    ['linear of factor 1', { rope_scaling: { type: 'linear', factor: 1 } }, null, 10000],
    ['rope_parameters', { rope_parameters: { rope_type: 'default', rope_theta: 7000 } }, null, 7000],
    ['null', { rope_scaling: null }, null, 10000],
  ])('reads RoPE scaling: %s', async (_, config, factors, theta) => {
    expect((await openConfig(config)).config.rope).toEqual({ theta, factors });
  });

  it.each<[string, object, string, RegExp]>([
    ['another architecture', { architectures: ['Qwen2ForCausalLM'] }, 'unsupported_model', /"Qwen2ForCausalLM", supported are LlamaForCausalLM, M/],
    ['no architecture', { architectures: null }, 'invalid_file', /"architectures" is missing/],
    ['yarn', { rope_scaling: { rope_type: 'yarn', factor: 2 } }, 'unsupported_model', /"yarn", supported are default, linear, llama3/],
    ['a scaling called constructor', { rope_scaling: { type: 'constructor' } }, 'unsupported_model', /"constructor"/],
    ['RoPE parameters per kind of layer', { rope_parameters: { full_attention: { rope_theta: 1 } } }, 'unsupported_model', /for all layers/],
    ['RoPE parameters that are a number', { rope_scaling: 2 }, 'invalid_file', /needed an object/],
    ['Llama 3 scaling without its factors', { rope_scaling: { rope_type: 'llama3', factor: 8 } }, 'invalid_file', /"low_freq_factor" is missing/],
    ['another activation', { hidden_act: 'gelu' }, 'unsupported_model', /"hidden_act" .* is "gelu", supported is silu/],
    ['biases', { attention_bias: true }, 'unsupported_model', /"attention_bias"/],
    ['quantised weights', { quantization_config: { quant_method: 'gptq' } }, 'unsupported_model', /"quantization_config"/],
    ['a string as a size', { hidden_size: '16' }, 'invalid_file', /"hidden_size" is "16", needed an integer/],
    ['no layers', { num_hidden_layers: 0 }, 'invalid_file', /"num_hidden_layers" is "0"/],
    ['more layers than tensors', { num_hidden_layers: 2 }, 'missing_tensor', /"model.layers.1.input_layernorm.weight"/],
    ['another vocabulary', { vocab_size: 5 }, 'invalid_file', /shape \[4, 16\], needed \[5, 16\]/],
    ['a first token outside the vocabulary', { bos_token_id: 4 }, 'invalid_file', /begins with token 4/],
  ])('refuses %s', async (_, config, code, message) => {
    await expect(openConfig(config)).rejects.toMatchObject({ name: 'TetradError', code, message: expect.stringMatching(message) });
  });

  it('names the file that is missing', async () => {
    for (const path of ['config.json', 'tokenizer.json', 'model.safetensors']) {
      const files = tinyFiles();
      delete files[path];
      await expect(openSafetensors(bytesDirectory(files))).rejects.toMatchObject({ code: 'not_found', message: expect.stringContaining(path) });
    }
  });
});
