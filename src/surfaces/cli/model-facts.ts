import { isCodes, type KvFormat } from '../../formats/number-format.ts';
import type { Linear, Manifest } from '../../models/image.ts';
import type { ModelConfig } from '../../models/config.ts';

/** Weights of a model of this shape; a tied embedding counts once. */
export function parameterCount({ layers, hidden, heads, kvHeads, headDim, ffn, vocab, tied }: ModelConfig): number {
  const attention = hidden * headDim * (heads + 2 * kvHeads) + heads * headDim * hidden;
  const layer = attention + 3 * hidden * ffn + 2 * hidden;
  return layers * layer + hidden + vocab * hidden * (tied ? 1 : 2);
}

const formatOf = ({ weight, act }: Linear['segments'][number]): string => (act ? `W${weight.bits}A${act.bits}` : `F${weight.bits}`);

/** The formats of some linears with each one's share of their input channels: `W4A8 75 % W4A4 25 %`. */
function formatsOf(linears: readonly Linear[]): string {
  const channels = new Map<string, number>();
  for (const segment of linears.flatMap(({ segments }) => segments)) {
    const format = formatOf(segment);
    channels.set(format, (channels.get(format) ?? 0) + segment.k[1] - segment.k[0]);
  }
  const total = [...channels.values()].reduce((sum, count) => sum + count, 0);
  return [...channels].sort((a, b) => b[1] - a[1]).map(([format, count]) => (channels.size === 1 ? format : `${format} ${Math.round((count / total) * 100)} %`)).join(' ');
}

/** A KV cache in words: `8 bits`, `4 bits per token, keys before RoPE`, `8 bits per channel, rotated`. */
export function cacheText(kv: KvFormat): string {
  if (!isCodes(kv)) return `${kv.bits} bits`;
  const { bits, per, rope, rotate } = kv;
  return `${bits} bits per ${per === 'token' ? 'token' : 'channel'}${rope === 'before' ? ', keys before RoPE' : ''}${rotate ? ', rotated' : ''}`;
}

/** Formats of the blocks' linears and of the output layer. */
export function formats({ linears }: Manifest): { readonly blocks: string; readonly output: string } {
  const blocks = Object.entries(linears).filter(([name]) => name.startsWith('layers.')).map(([, linear]) => linear);
  return { blocks: formatsOf(blocks), output: formatsOf(linears['output'] ? [linears['output']] : []) };
}
