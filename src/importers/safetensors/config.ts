import { TetradError } from '../../core/errors.ts';
import type { ArchRow } from '../../models/arch.ts';
import type { ModelConfig, RopeConfig } from '../../models/config.ts';
import { isObject, type JsonObject } from '../../tokenizer/json.ts';
import { checkedConfig, LIMITS } from '../config-limits.ts';
import { Fields } from '../fields.ts';
import { linearFactors, llama3Factors } from '../rope.ts';

/** Factors of every `rope_type` there is a formula for. */
const ROPE_TYPES: Readonly<Record<string, (fields: Fields, headDim: number, theta: number) => number[] | null>> = {
  default: () => null,
  linear: (fields, headDim) => linearFactors(headDim, fields.positive('factor')),
  llama3: (fields, headDim, theta) =>
    llama3Factors(headDim, theta, {
      factor: fields.positive('factor'),
      lowFreqFactor: fields.positive('low_freq_factor'),
      highFreqFactor: fields.positive('high_freq_factor'),
      originalContext: fields.positive('original_max_position_embeddings'),
    }),
};

/** From `rope_parameters` (transformers 5) or `rope_scaling` with `rope_theta` beside it. */
function ropeConfig(config: JsonObject, fields: Fields, headDim: number, file: string): RopeConfig {
  const scaling = config['rope_parameters'] ?? config['rope_scaling'] ?? {};
  if (!isObject(scaling)) throw new TetradError('invalid_file', `Cannot read ${file}: its RoPE parameters are ${typeof scaling}, needed an object`);
  const rope = new Fields(file, (key) => scaling[key]);
  const theta = rope.positive('rope_theta', fields.positive('rope_theta', 10000));
  rope.only('partial_rotary_factor', 1);
  const type = rope.text('rope_type', rope.text('type', 'default'));
  const factors = Object.hasOwn(ROPE_TYPES, type) ? ROPE_TYPES[type] : undefined;
  if (!factors || Object.values(scaling).some(isObject)) {
    const supported = `${Object.keys(ROPE_TYPES).join(', ')} for all layers`;
    throw new TetradError('unsupported_model', `Cannot import the model: its RoPE scaling is ${JSON.stringify(type)}, supported are ${supported}`);
  }
  return { theta, factors: factors(rope, headDim, theta) };
}

/** The configuration in a Hugging Face `config.json`; `file` names it in errors, `name` is the model's if it has none. */
export function hfConfig(config: JsonObject, arch: ArchRow, file: string, name: string): ModelConfig {
  const fields = new Fields(file, (key) => config[key]);
  fields.only('hidden_act', 'silu');
  fields.only('attention_bias', false);
  fields.only('mlp_bias', false);
  fields.only('partial_rotary_factor', 1);
  fields.only('quantization_config', null);
  const hidden = fields.integer('hidden_size', LIMITS.width);
  const heads = fields.integer('num_attention_heads', LIMITS.heads);
  const headDim = fields.integer('head_dim', LIMITS.headDim, hidden / heads);
  const context = fields.integer('max_position_embeddings', LIMITS.context);
  return checkedConfig({
    arch: arch.id,
    name: fields.text('_name_or_path', '') || name,
    layers: fields.integer('num_hidden_layers', LIMITS.layers),
    hidden,
    heads,
    kvHeads: fields.integer('num_key_value_heads', LIMITS.heads, heads),
    headDim,
    ffn: fields.integer('intermediate_size', LIMITS.width),
    vocab: fields.integer('vocab_size', LIMITS.vocab),
    context: Math.min(context, fields.integer('sliding_window', LIMITS.context, context)),
    normEps: fields.positive('rms_norm_eps', 1e-6),
    rope: ropeConfig(config, fields, headDim, file),
    tied: fields.flag('tie_word_embeddings', false),
  });
}
