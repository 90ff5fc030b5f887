import { SIX, SIX_OUTPUT } from '../../src/quantize/recipes/house.ts';
import type { ModelName } from './models.ts';

/** A recipe with fields replaced, the embedded model as it ships, or llama.cpp with a type of GGUF and its default cache, f16. */
export type Subject =
  | { readonly recipe: string; readonly set?: readonly string[] }
  | { readonly embedded: true }
  | { readonly gguf: 'Q4_0' | 'Q4_K_M' | 'IQ4_NL' };

/** Groups of rows, in the order of the tables; a colour each in the charts. */
export const GROUPS = ['ours', 'mixed 4 and 8 bits', 'from papers', 'plain', 'cache or grid alone', 'llama.cpp'] as const;
export type Group = (typeof GROUPS)[number];

export interface LabRow {
  readonly label: string;
  readonly group: Group;
  readonly models: readonly ModelName[];
  readonly subject: Subject;
  /** What a reader must know beyond the recipe's description. */
  readonly note?: string;
  /** Stands beside llama.cpp's rows. */
  readonly beside?: true;
  /** A point of a curve over the share of 8-bit blocks. */
  readonly curve?: string;
}

type Options = Partial<Omit<LabRow, 'label' | 'group' | 'subject'>> & { readonly set?: readonly string[] };

const BOTH: readonly ModelName[] = ['soft', 'ref'];

function row(group: Group, label: string, recipe: string, { set, ...options }: Options = {}): LabRow {
  return { label, group, models: BOTH, subject: set ? { recipe, set } : { recipe }, ...options };
}

const percent = (share: number): string => String(Math.round(share * 100));

/** One point of a recipe's curve; `recipe` itself is the one at a quarter. */
const point = (recipe: string) => (share: number): LabRow =>
  row('mixed 4 and 8 bits', share === 0.25 ? recipe : `${recipe}-${percent(share)}`, recipe, {
    ...(share !== 0.25 && { set: [`split.0.share=${share}`] }), curve: recipe,
    ...(share === 0 && { note: 'all products have 4 bits on both sides' }), ...(share === 1 && { note: 'no product has 4 bits on both sides' }),
  });

const CACHE = (label: string, set: string, note: string): LabRow => row('cache or grid alone', label, 'f32', { set: [set], note });
const LLAMA = (gguf: 'Q4_0' | 'Q4_K_M' | 'IQ4_NL'): LabRow => ({ label: gguf, group: 'llama.cpp', models: ['soft'], subject: { gguf }, beside: true });

const SITES = (...sites: readonly object[]): string => `sites=${JSON.stringify(sites)}`;

/** `house` with 6 bits at attn.qkv and mlp.down, and at mlp.gate_up of some layers: where 4 bits lose most for each weight. */
const SIX_AT = (...layers: readonly (readonly [number, number])[]): string => SITES(
  { match: { site: 'attn.qkv' }, weight: SIX }, { match: { site: 'mlp.down' }, weight: SIX },
  ...layers.map((range) => ({ match: { site: 'mlp.gate_up', layers: range }, weight: SIX })), SIX_OUTPUT,
);

/** Every row of the comparison. */
export const ROWS: readonly LabRow[] = [
  row('ours', 'house', 'house', { beside: true }),
  row('ours', 'house-4.3', 'house', { set: ['weight.block=64', SITES(SIX_OUTPUT)], beside: true, note: 'blocks of 64, 4 bits in all layers' }),
  row('ours', 'house-5.5', 'house', { set: [SIX_AT([0, 0], [-4, -1])], beside: true, note: '6 bits at attn.qkv and mlp.down, and at mlp.gate_up of the first and the last four layers' }),
  row('ours', 'house-6', 'house', { set: [SIX_AT([0, 6], [-12, -1])], note: '6 bits at attn.qkv and mlp.down, and at mlp.gate_up of the first 7 and the last 12 layers' }),
  row('ours', 'house-6bit', 'house', { set: ['weight.bits=6'], note: '6 bits everywhere' }),
  row('ours', 'house-drift', 'house', { set: ['rounding.correction=0.25'], note: "a quarter of the drift of the layers' inputs made up for" }),
  { label: 'embedded', group: 'ours', models: ['ref'], subject: { embedded: true }, note: 'the model in the package, as it ships' },

  ...[0, 0.25, 0.5, 0.75, 0.84, 0.92, 1].map(point('comet')),
  ...[0, 0.25].map(point('comet-rotated')),
  row('mixed 4 and 8 bits', 'w4ax', 'w4ax'),

  row('from papers', 'gptq', 'gptq', { beside: true }),
  row('from papers', 'smoothquant', 'smoothquant'),
  row('from papers', 'llm-int8', 'llm-int8'),
  row('from papers', 'zeroquant', 'zeroquant'),
  row('from papers', 'omniquant', 'omniquant'),
  row('from papers', 'rptq', 'rptq'),
  row('from papers', 'atom', 'atom'),
  row('from papers', 'quik', 'quik'),
  row('from papers', 'dgq', 'dgq'),
  row('from papers', 'qoq', 'qoq'),
  row('from papers', 'qoq-channel', 'qoq-channel'),
  row('from papers', 'spqr', 'spqr'),
  row('from papers', 'spqr-3bit', 'spqr', { set: ['weight.bits=3'] }),
  row('from papers', 'spqr-3bit-house', 'spqr', {
    set: ['weight.bits=3', 'rounding.attention=true', 'rounding.skip=1', 'rounding.damping=0.03', 'rounding.sweeps=1', 'clip={"by":"ends"}'], note: '3 bits, rounded as `house` does',
  }),
  row('from papers', 'svdquant', 'svdquant'),
  row('from papers', 'quarot', 'quarot'),
  row('from papers', 'marlin', 'marlin', { beside: true }),

  row('plain', 'w8a8', 'w8a8'),
  row('plain', 'w4a8', 'w4a8', { beside: true }),
  row('plain', 'w4a8-kv32', 'w4a8', { set: ['kv=32'], beside: true, note: 'f32 cache' }),
  row('plain', 'w4a4', 'w4a4'),
  row('plain', 'keep', 'keep', { models: ['ref'] }),

  CACHE('kv8', 'kv=8', 'cache of 8 bits alone'),
  CACHE('kv4', 'kv=4', 'cache of 4 bits alone, by channels'),
  CACHE('kv4-before', 'kv={"bits":4,"per":"token","rope":"before"}', 'cache of 4 bits per token and head, before RoPE, alone'),
  CACHE('kv4-after', 'kv={"bits":4,"per":"token","rope":"after"}', 'the same after RoPE'),
  CACHE('kv4-rotated', 'kv={"bits":4,"per":"token","rope":"after","rotate":true}', 'the same, queries and keys rotated'),

  LLAMA('Q4_0'), LLAMA('Q4_K_M'), LLAMA('IQ4_NL'),
];
