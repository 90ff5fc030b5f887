import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ARCHITECTURES, expectedTensors } from '../../src/models/arch.ts';
import type { WeightStore } from '../../src/models/weights.ts';
import { concat } from './gguf.ts';
import { json, writeSafetensors, type Entry } from './safetensors.ts';

/** Writes a store's model as a directory of safetensors, f32. */
export async function writeCheckpoint(folder: string, { config, tokenizer, tensor }: WeightStore): Promise<void> {
  const header: Record<string, Entry> = {};
  const data: Uint8Array[] = [];
  let at = 0;
  for (const { name, hf, rows, cols } of expectedTensors(ARCHITECTURES.find(({ id }) => id === config.arch)!, config)) {
    const values = await tensor(name).read(0, rows);
    header[hf] = { dtype: 'F32', shape: rows === 1 ? [cols] : [rows, cols], data_offsets: [at, at + values.byteLength] };
    data.push(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    at += values.byteLength;
  }
  const files = {
    'config.json': json({
      architectures: ['LlamaForCausalLM'], hidden_size: config.hidden, intermediate_size: config.ffn, num_hidden_layers: config.layers,
      num_attention_heads: config.heads, num_key_value_heads: config.kvHeads, head_dim: config.headDim, vocab_size: config.vocab,
      max_position_embeddings: config.context, rms_norm_eps: config.normEps, rope_theta: config.rope.theta, tie_word_embeddings: config.tied,
      bos_token_id: tokenizer.bos, eos_token_id: tokenizer.eos[0],
    }),
    'tokenizer.json': json(tokenizer.tokenizer),
    'model.safetensors': writeSafetensors(header, concat(...data)),
  };
  await mkdir(folder, { recursive: true });
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, name), bytes);
}
