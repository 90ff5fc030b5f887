import { concat, f32, u64 } from './gguf.ts';

/** Writes safetensors files for tests. */

export interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly unknown[];
}

export const utf8 = (value: string): Uint8Array => new TextEncoder().encode(value);
export const json = (value: unknown): Uint8Array => utf8(JSON.stringify(value));

/** A header, as an object or as text, and the bytes after it. */
export function writeSafetensors(header: object | string, data: Uint8Array): Uint8Array {
  const bytes = typeof header === 'string' ? utf8(header) : json(header);
  return concat(u64(bytes.length), bytes, data);
}

/** F32 tensors of the given shapes with the values 0, 1, 2 and so on. */
export function countingTensors(shapes: Readonly<Record<string, readonly number[]>>): Uint8Array {
  const header: Record<string, Entry> = {};
  const data: Uint8Array[] = [];
  let at = 0;
  for (const [name, shape] of Object.entries(shapes)) {
    const size = shape.reduce((product, dim) => product * dim, 1);
    header[name] = { dtype: 'F32', shape, data_offsets: [at, at + 4 * size] };
    data.push(f32(...Array.from({ length: size }, (_, i) => i)));
    at += 4 * size;
  }
  return writeSafetensors(header, concat(...data));
}

/** `config.json` of a one-layer model: hidden 16, two heads of 8 over one key-value head, ffn 24, four tokens, tied. */
export const tinyConfig = {
  architectures: ['LlamaForCausalLM'], hidden_size: 16, intermediate_size: 24, num_hidden_layers: 1, num_attention_heads: 2, num_key_value_heads: 1,
  vocab_size: 4, max_position_embeddings: 64, rms_norm_eps: 1e-5, tie_word_embeddings: true, bos_token_id: 1, eos_token_id: 3,
};

const layer = 'model.layers.0';

export const tinyShapes: Readonly<Record<string, readonly number[]>> = {
  'model.embed_tokens.weight': [4, 16],
  'model.norm.weight': [16],
  [`${layer}.input_layernorm.weight`]: [16],
  [`${layer}.self_attn.q_proj.weight`]: [16, 16],
  [`${layer}.self_attn.k_proj.weight`]: [8, 16],
  [`${layer}.self_attn.v_proj.weight`]: [8, 16],
  [`${layer}.self_attn.o_proj.weight`]: [16, 16],
  [`${layer}.post_attention_layernorm.weight`]: [16],
  [`${layer}.mlp.gate_proj.weight`]: [24, 16],
  [`${layer}.mlp.up_proj.weight`]: [24, 16],
  [`${layer}.mlp.down_proj.weight`]: [16, 24],
};

export const tinyTokenizer = {
  version: '1.0', added_tokens: [{ id: 3, content: '</s>', special: true }], model: { type: 'BPE', vocab: { a: 0, b: 1, ab: 2 }, merges: ['a b'] },
};

/** All files of the tiny model. */
export const tinyFiles = (overrides: Readonly<Record<string, Uint8Array>> = {}): Record<string, Uint8Array> => ({
  'config.json': json(tinyConfig), 'tokenizer.json': json(tinyTokenizer), 'model.safetensors': countingTensors(tinyShapes), ...overrides,
});
