import { TetradError } from '../../core/errors.ts';
import type { ArchRow } from '../../models/arch.ts';
import type { ModelConfig } from '../../models/config.ts';
import { checkedConfig, LIMITS } from '../config-limits.ts';
import { Fields } from '../fields.ts';
import { linearFactors } from '../rope.ts';
import { weightTensor } from '../stored-tensor.ts';
import type { GgufHeader } from './header.ts';

/** Some files give one value per layer; layers that differ have no row in the architecture table. */
function sameForAllLayers(key: string, value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  if (value.every((item) => item === value[0])) return value[0];
  throw new TetradError('unsupported_model', `Cannot import the model: "${key}" differs between layers, supported is one value for all`);
}

/** Divisors from the linear scaling of the metadata and the tensor `rope_freqs.weight` (Llama 3); both may be there. */
async function ropeFactors(header: GgufHeader, fields: Fields, headDim: number, signal?: AbortSignal): Promise<readonly number[] | null> {
  const type = fields.text('rope.scaling.type', 'linear');
  if (type !== 'none' && type !== 'linear') {
    const supported = "none, linear and Llama 3's";
    throw new TetradError('unsupported_model', `Cannot import the model: its RoPE scaling is ${JSON.stringify(type)}, supported are ${supported}`);
  }
  const factor = fields.positive('rope.scaling.factor', fields.positive('rope.scale_linear', 1));
  const linear = type === 'none' ? null : linearFactors(headDim, factor);
  const stored = header.tensors.get('rope_freqs.weight');
  if (!stored) return linear;
  if (stored.rows !== 1 || stored.cols !== headDim / 2) {
    throw new TetradError('invalid_file', `Cannot read "rope_freqs.weight": its shape is [${stored.rows}, ${stored.cols}], needed [1, ${headDim / 2}]`);
  }
  const divisors = await weightTensor('rope_freqs.weight', stored, null).read(0, 1, signal);
  if (!divisors.every((value) => value > 0 && value < Infinity)) {
    throw new TetradError('invalid_file', 'Cannot read "rope_freqs.weight": a divisor is not a positive number, needed all to be');
  }
  return Array.from(divisors, (value) => value * (linear?.[0] ?? 1));
}

/**
 * The configuration that a GGUF header describes; `file` names it in errors, `name` is the model's if it has none.
 * Vocabulary and tying follow from the tensors that are there.
 */
export async function ggufConfig(header: GgufHeader, arch: ArchRow, file: string, name: string, signal?: AbortSignal): Promise<ModelConfig> {
  const { metadata, tensors } = header;
  const general = new Fields(file, (key) => metadata.get(`general.${key}`));
  const prefix = general.text('architecture');
  const fields = new Fields(file, (key) => sameForAllLayers(key, metadata.get(`${prefix}.${key}`)));
  const embed = tensors.get('token_embd.weight');
  if (!embed) throw new TetradError('missing_tensor', `Cannot import ${file}: it has no tensor "token_embd.weight"`);
  const hidden = fields.integer('embedding_length', LIMITS.width);
  const heads = fields.integer('attention.head_count', LIMITS.heads);
  const headDim = fields.integer('attention.key_length', LIMITS.headDim, hidden / heads);
  fields.only('attention.value_length', headDim);
  fields.only('rope.dimension_count', headDim);
  fields.only('rope.scaling.attn_factor', 1);
  fields.only('expert_count', 0);
  const context = fields.integer('context_length', LIMITS.context);
  return checkedConfig({
    arch: arch.id,
    name: general.text('name', name),
    layers: fields.integer('block_count', LIMITS.layers),
    hidden,
    heads,
    kvHeads: fields.integer('attention.head_count_kv', LIMITS.heads, heads),
    headDim,
    ffn: fields.integer('feed_forward_length', LIMITS.width),
    vocab: embed.rows,
    context: Math.min(context, fields.integer('attention.sliding_window', LIMITS.context, context)),
    normEps: fields.positive('attention.layer_norm_rms_epsilon'),
    rope: { theta: fields.positive('rope.freq_base', 10000), factors: await ropeFactors(header, fields, headDim, signal) },
    tied: !tensors.has('output.weight'),
  });
}
