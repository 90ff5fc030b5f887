import { isCodes, type KvFormat } from '../formats/number-format.ts';
import type { ModelConfig } from './config.ts';

/** Where a linear sits in the model; recipes address linears by it. The embedding table counts as `output`. */
export type Site = 'attn.qkv' | 'attn.o' | 'mlp.gate_up' | 'mlp.down' | 'output';
export const SITES: readonly Site[] = ['attn.qkv', 'attn.o', 'mlp.gate_up', 'mlp.down', 'output'];

/** A linear of a packed model (`Manifest.linears`). */
export interface LinearSpec {
  readonly name: string;
  readonly site: Site;
  /** null: outside the layers. */
  readonly layer: number | null;
  /** Layers of the model. */
  readonly layers: number;
  readonly rows: number;
  readonly cols: number;
  /** Canonical source tensors, stacked by rows. */
  readonly tensors: readonly string[];
  /** The vector that scales the linear's input, if it reads a norm. */
  readonly norm: string | null;
  /**
   * How its input may be permuted: gathered while it is quantised, or by folding the order into the rows of each of `folds`' tensors
   * (for `mlp.down` the rows of gate and of up); null where neither is possible.
   */
  readonly order: 'gather' | 'fold' | null;
  /** The linear whose tensors' rows take the order; null unless `order` is `fold`. */
  readonly folds: string | null;
}

/** All linears of a model in the order of the forward pass; the embedding comes first if untied. */
export function linearSpecs(config: ModelConfig): LinearSpec[] {
  const { hidden, ffn, vocab, heads, kvHeads, headDim, tied, layers } = config;
  const q = heads * headDim;
  const table = { site: 'output', layer: null, layers, rows: vocab, cols: hidden, order: null, folds: null } as const;
  const specs: LinearSpec[] = tied ? [] : [{ name: 'embed', ...table, tensors: ['embed'], norm: null }];
  for (let n = 0; n < layers; n++) {
    const at = (name: string): string => `layers.${n}.${name}`;
    const linear = (site: Site, rows: number, cols: number, parts: readonly string[], norm: string | null): LinearSpec => ({
      name: at(site), site, layer: n, layers, rows, cols, tensors: parts.map(at), norm: norm && at(norm), order: 'gather', folds: null,
    });
    specs.push(
      linear('attn.qkv', q + 2 * kvHeads * headDim, hidden, ['attn.q', 'attn.k', 'attn.v'], 'attn.norm'),
      linear('attn.o', hidden, q, ['attn.o'], null),
      linear('mlp.gate_up', 2 * ffn, hidden, ['mlp.gate', 'mlp.up'], 'mlp.norm'),
      { ...linear('mlp.down', hidden, ffn, ['mlp.down'], null), order: 'fold', folds: at('mlp.gate_up') },
    );
  }
  specs.push({ name: 'output', ...table, tensors: [tied ? 'embed' : 'output'], norm: 'norm' });
  return specs;
}

/** Names and lengths of the f32 vectors of a packed model (`Manifest.vectors`). */
export function vectorSizes(config: ModelConfig, kv: KvFormat): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const { norm, site } of linearSpecs(config)) {
    if (!norm) continue;
    sizes.set(norm, config.hidden);
    if (site === 'attn.qkv' && isCodes(kv) && kv.per === 'static') sizes.set(norm.replace(/norm$/, 'kv'), 4 * config.kvHeads * config.headDim);
  }
  return sizes;
}
