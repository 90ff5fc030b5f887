import { TetradError } from '../core/errors.ts';
import type { ModelConfig } from './config.ts';

/** A dimension of a tensor, computed from the configuration: `q` = heads * headDim, `kv` = kvHeads * headDim. */
type Dim = 'one' | 'vocab' | 'hidden' | 'ffn' | 'q' | 'kv';

const DIMS: Readonly<Record<Dim, (config: ModelConfig) => number>> = {
  one: () => 1,
  vocab: (config) => config.vocab,
  hidden: (config) => config.hidden,
  ffn: (config) => config.ffn,
  q: (config) => config.heads * config.headDim,
  kv: (config) => config.kvHeads * config.headDim,
};

/** One tensor under its three names; `{n}` stands for the layer. `rotary`: the rows turn with the position. */
interface TensorRow {
  readonly name: string;
  readonly gguf: string;
  readonly hf: string;
  readonly shape: readonly [rows: Dim, cols: Dim];
  readonly rotary?: boolean;
}

/** One architecture: data that the importers iterate. */
export interface ArchRow {
  readonly id: string;
  /** Values of GGUF's `general.architecture`. */
  readonly gguf: readonly string[];
  /** Values of `architectures` in a Hugging Face `config.json`. */
  readonly hf: readonly string[];
  /** GGUF files of this architecture hold rotary rows interleaved: channel 2i pairs with 2i + 1. */
  readonly ggufInterleaved: boolean;
  readonly tensors: readonly TensorRow[];
  /** Tensors that a file may hold and that add nothing to the configuration and `tensors`. */
  readonly ignored: RegExp;
}

const DECODER: readonly TensorRow[] = [
  { name: 'embed', gguf: 'token_embd.weight', hf: 'model.embed_tokens.weight', shape: ['vocab', 'hidden'] },
  { name: 'output', gguf: 'output.weight', hf: 'lm_head.weight', shape: ['vocab', 'hidden'] },
  { name: 'norm', gguf: 'output_norm.weight', hf: 'model.norm.weight', shape: ['one', 'hidden'] },
  { name: 'layers.{n}.attn.norm', gguf: 'blk.{n}.attn_norm.weight', hf: 'model.layers.{n}.input_layernorm.weight', shape: ['one', 'hidden'] },
  { name: 'layers.{n}.attn.q', gguf: 'blk.{n}.attn_q.weight', hf: 'model.layers.{n}.self_attn.q_proj.weight', shape: ['q', 'hidden'], rotary: true },
  { name: 'layers.{n}.attn.k', gguf: 'blk.{n}.attn_k.weight', hf: 'model.layers.{n}.self_attn.k_proj.weight', shape: ['kv', 'hidden'], rotary: true },
  { name: 'layers.{n}.attn.v', gguf: 'blk.{n}.attn_v.weight', hf: 'model.layers.{n}.self_attn.v_proj.weight', shape: ['kv', 'hidden'] },
  { name: 'layers.{n}.attn.o', gguf: 'blk.{n}.attn_output.weight', hf: 'model.layers.{n}.self_attn.o_proj.weight', shape: ['hidden', 'q'] },
  { name: 'layers.{n}.mlp.norm', gguf: 'blk.{n}.ffn_norm.weight', hf: 'model.layers.{n}.post_attention_layernorm.weight', shape: ['one', 'hidden'] },
  { name: 'layers.{n}.mlp.gate', gguf: 'blk.{n}.ffn_gate.weight', hf: 'model.layers.{n}.mlp.gate_proj.weight', shape: ['ffn', 'hidden'] },
  { name: 'layers.{n}.mlp.up', gguf: 'blk.{n}.ffn_up.weight', hf: 'model.layers.{n}.mlp.up_proj.weight', shape: ['ffn', 'hidden'] },
  { name: 'layers.{n}.mlp.down', gguf: 'blk.{n}.ffn_down.weight', hf: 'model.layers.{n}.mlp.down_proj.weight', shape: ['hidden', 'ffn'] },
];

/** `rope_freqs` goes into the configuration, `inv_freq` follows from it, and a tied model's own output layer is a copy that is not used. */
const IGNORED = /^rope_freqs\.weight$|\.rotary_emb\.inv_freq$|^lm_head\.weight$/;

/** Every supported architecture. Mistral's GGUF files call themselves `llama`. */
export const ARCHITECTURES: readonly ArchRow[] = [
  { id: 'llama', gguf: ['llama'], hf: ['LlamaForCausalLM'], ggufInterleaved: true, tensors: DECODER, ignored: IGNORED },
  { id: 'mistral', gguf: [], hf: ['MistralForCausalLM'], ggufInterleaved: true, tensors: DECODER, ignored: IGNORED },
];

/** The row whose `naming` list holds `name`; throws `unsupported_model` naming what there is. */
export function architecture(naming: 'gguf' | 'hf', name: string): ArchRow {
  const row = ARCHITECTURES.find((arch) => arch[naming].includes(name));
  if (row) return row;
  const known = ARCHITECTURES.flatMap((arch) => arch[naming]).join(', ');
  throw new TetradError('unsupported_model', `Cannot import the model: its architecture is ${JSON.stringify(name)}, supported are ${known}`);
}

/** A tensor that a model of some configuration must have. */
export interface ExpectedTensor {
  /** Canonical name (`weights.ts`). */
  readonly name: string;
  readonly gguf: string;
  readonly hf: string;
  readonly rows: number;
  readonly cols: number;
  readonly rotary: boolean;
}

/** All tensors of a model of this architecture and configuration, with names and shapes; without `output` if tied. */
export function expectedTensors(arch: ArchRow, config: ModelConfig): ExpectedTensor[] {
  const tensors: ExpectedTensor[] = [];
  for (const row of arch.tensors) {
    if (row.name === 'output' && config.tied) continue;
    const [rows, cols] = [DIMS[row.shape[0]](config), DIMS[row.shape[1]](config)];
    for (let n = 0; n < (row.name.includes('{n}') ? config.layers : 1); n++) {
      const layer = (name: string): string => name.replace('{n}', String(n));
      tensors.push({ name: layer(row.name), gguf: layer(row.gguf), hf: layer(row.hf), rows, cols, rotary: row.rotary ?? false });
    }
  }
  return tensors;
}
