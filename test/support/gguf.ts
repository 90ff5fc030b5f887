/** Writes GGUF files for tests, well-formed or with any field overridden. */

export const VALUE = { u8: 0, u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9, u64: 10 } as const;

/** A metadata value: what the file states as its type, and the bytes. */
export type Value = readonly [type: number, bytes: Uint8Array];

export interface TestTensor {
  readonly name: string;
  /** Innermost first. */
  readonly dims: readonly (number | bigint)[];
  readonly type: number;
  readonly data: Uint8Array;
  /** In place of the offset that follows from the data before. */
  readonly offset?: number | bigint;
}

export interface TestGguf {
  readonly version?: number;
  readonly metadata?: readonly (readonly [key: string, value: Value])[];
  readonly tensors?: readonly TestTensor[];
  readonly tensorCount?: number | bigint;
  readonly entryCount?: number | bigint;
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function little(bytes: number, write: (view: DataView) => void): Uint8Array {
  const view = new DataView(new ArrayBuffer(bytes));
  write(view);
  return new Uint8Array(view.buffer);
}

export const u32 = (value: number): Uint8Array => little(4, (view) => view.setUint32(0, value, true));
export const u64 = (value: number | bigint): Uint8Array => little(8, (view) => view.setBigUint64(0, BigInt(value), true));
export const f32 = (...values: readonly number[]): Uint8Array => new Uint8Array(new Float32Array(values).buffer);

export function text(value: string): Uint8Array {
  const bytes = new TextEncoder().encode(value);
  return concat(u64(bytes.length), bytes);
}

export const string = (value: string): Value => [VALUE.string, text(value)];
export const uint = (value: number): Value => [VALUE.u32, u32(value)];
export const float = (value: number): Value => [VALUE.f32, f32(value)];
export const array = (type: number, items: readonly Uint8Array[], count: number | bigint = items.length): Value =>
  [VALUE.array, concat(u32(type), u64(count), ...items)];
export const strings = (items: readonly string[]): Value => array(VALUE.string, items.map(text));

const padding = (bytes: number): Uint8Array => new Uint8Array((32 - (bytes % 32)) % 32);

export function writeGguf({ version = 3, metadata = [], tensors = [], tensorCount, entryCount }: TestGguf): Uint8Array {
  const infos: Uint8Array[] = [];
  const data: Uint8Array[] = [];
  let offset = 0;
  for (const tensor of tensors) {
    const { name, dims, type } = tensor;
    infos.push(text(name), u32(dims.length), ...dims.map(u64), u32(type), u64(tensor.offset ?? offset));
    data.push(tensor.data, padding(tensor.data.length));
    offset += tensor.data.length + padding(tensor.data.length).length;
  }
  const entries = metadata.flatMap(([key, [type, bytes]]) => [text(key), u32(type), bytes]);
  const header = concat(
    new TextEncoder().encode('GGUF'), u32(version), u64(tensorCount ?? tensors.length), u64(entryCount ?? metadata.length), ...entries, ...infos,
  );
  return concat(header, padding(header.length), ...data);
}

/** Metadata and F32 tensors of a one-layer model: hidden 16, two heads of 8 over one key-value head, ffn 24, four tokens, tied. */
export const tinyMetadata: readonly (readonly [string, Value])[] = [
  ['general.architecture', string('llama')],
  ['general.license', string('mit')],
  ['llama.block_count', uint(1)],
  ['llama.context_length', uint(64)],
  ['llama.embedding_length', uint(16)],
  ['llama.feed_forward_length', uint(24)],
  ['llama.attention.head_count', uint(2)],
  ['llama.attention.head_count_kv', uint(1)],
  ['llama.attention.layer_norm_rms_epsilon', float(1e-5)],
  ['tokenizer.ggml.model', string('gpt2')],
  ['tokenizer.ggml.pre', string('smollm')],
  ['tokenizer.ggml.tokens', strings(['a', 'b', 'ab', '<|endoftext|>'])],
  ['tokenizer.ggml.token_type', array(VALUE.i32, [1, 1, 1, 3].map(u32))],
  ['tokenizer.ggml.merges', strings(['a b'])],
  ['tokenizer.ggml.eos_token_id', uint(3)],
];

const SHAPES: Readonly<Record<string, readonly number[]>> = {
  'token_embd.weight': [16, 4],
  'output_norm.weight': [16],
  'blk.0.attn_norm.weight': [16],
  'blk.0.attn_q.weight': [16, 16],
  'blk.0.attn_k.weight': [16, 8],
  'blk.0.attn_v.weight': [16, 8],
  'blk.0.attn_output.weight': [16, 16],
  'blk.0.ffn_norm.weight': [16],
  'blk.0.ffn_gate.weight': [16, 24],
  'blk.0.ffn_up.weight': [16, 24],
  'blk.0.ffn_down.weight': [24, 16],
};

export const tinyTensors: readonly TestTensor[] = Object.entries(SHAPES).map(([name, dims]) => {
  const size = dims.reduce((product, dim) => product * dim, 1);
  return { name, dims, type: 0, data: f32(...Array.from({ length: size }, (_, i) => i)) };
});
