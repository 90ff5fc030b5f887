import { TetradError } from '../../src/core/errors.ts';
import { f16ToF32, f32ToF16 } from '../../src/core/numeric.ts';
import type { TokenizerData } from '../../src/core/tokenizer-data.ts';
import { ARCHITECTURES, expectedTensors } from '../../src/models/arch.ts';
import type { ModelConfig } from '../../src/models/config.ts';
import type { SourceGrid, WeightStore, WeightTensor } from '../../src/models/weights.ts';

/** Odd sizes on purpose: K tails (96, 200), partial panels (vocab 260), grouped heads. */
export const TINY_CONFIG: ModelConfig = {
  arch: 'llama', name: 'tiny', layers: 2, hidden: 96, heads: 4, kvHeads: 2, headDim: 24, ffn: 200, vocab: 260, context: 128,
  normEps: 1e-5, rope: { theta: 10000, factors: null }, tied: true,
};

/** mulberry32: uniform in [0, 1). */
export function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** About normal: the sum of four uniforms. */
export function gaussian(seed: number): () => number {
  const next = uniform(seed);
  return () => (next() + next() + next() + next() - 2) * 1.7320508;
}

function hash(text: string): number {
  let h = 2166136261;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16777619);
  return h >>> 0;
}

/** GPT-2's bytes-to-characters table. */
function byteCharacters(): string[] {
  const printable = (b: number): boolean => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, b) => String.fromCodePoint(printable(b) ? b : next++));
}

/** A byte-level BPE without merges: token b is byte b, then four special tokens. */
export function tinyTokenizer(): TokenizerData {
  const specials = ['<s>', '</s>', '<|im_start|>', '<|im_end|>'];
  const vocab = Object.fromEntries([...byteCharacters(), ...specials].map((token, id) => [token, id]));
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  const model = {
    type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: false,
    byte_fallback: false, ignore_merges: false, vocab, merges: [],
  };
  const added = specials.map((content, i) => ({ id: 256 + i, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }));
  const tokenizer = {
    version: '1.0', truncation: null, padding: null, added_tokens: added, normalizer: null, pre_tokenizer: byteLevel, post_processor: null, decoder: byteLevel, model,
  };
  const chatTemplate = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
  return { tokenizer, bos: 256, eos: [257, 259], addBos: false, chatTemplate };
}

export type TinyGrid = 'Q4_0' | 'Q4_1' | 'Q8_0';
const GRIDS = { Q4_0: { bits: 4, hasMin: false }, Q4_1: { bits: 4, hasMin: true }, Q8_0: { bits: 8, hasMin: false } } as const;

/** A seeded grid of groups of 32 and the values that it stands for. */
function seededGrid(kind: TinyGrid, count: number, spread: number, seed: number): { grid: SourceGrid; values: Float32Array } {
  const next = uniform(seed);
  const { bits, hasMin } = GRIDS[kind];
  const groups = Math.ceil(count / 32);
  const zero = hasMin ? 0 : 1 << (bits - 1);
  const step = (4 * spread) / (1 << bits);
  const codes = Uint8Array.from({ length: count }, () => Math.floor(next() * (1 << bits)));
  const scale = Uint16Array.from({ length: groups }, () => f32ToF16(step * (0.5 + next()) * (hasMin || next() < 0.5 ? 1 : -1)));
  const min = hasMin ? Uint16Array.from({ length: groups }, () => f32ToF16(-2 * spread * (0.5 + next()))) : null;
  const value = (i: number): number => {
    const s = f16ToF32(scale[i >> 5]!);
    return min ? Math.fround(Math.fround(s * codes[i]!) + f16ToF32(min[i >> 5]!)) : s * (codes[i]! - zero);
  };
  return { grid: { bits, group: 32, codes, scale, min, zero }, values: Float32Array.from({ length: count }, (_, i) => value(i)) };
}

function tensorOf(name: string, rows: number, cols: number, values: Float32Array, type: string, grid: SourceGrid | null): WeightTensor {
  const per = cols / (grid?.group ?? 1);
  return {
    name, rows, cols, type,
    grid: grid && { bits: grid.bits, group: grid.group, hasMin: grid.min !== null },
    read: async (from, to, signal) => {
      signal?.throwIfAborted();
      return values.slice(from * cols, to * cols);
    },
    readGrid: async (from, to, signal) => {
      signal?.throwIfAborted();
      if (!grid) throw new TetradError('unsupported_type', `Cannot read the grid of ${JSON.stringify(name)}: its type is ${type}`);
      const { min } = grid;
      return {
        ...grid,
        codes: grid.codes.slice(from * cols, to * cols),
        scale: grid.scale.slice(from * per, to * per),
        min: min && min.slice(from * per, to * per),
      };
    },
  };
}

export interface TinyOptions {
  readonly config?: Partial<ModelConfig>;
  /** Values on a source grid; needs `cols` to be multiples of 32. */
  readonly grid?: TinyGrid | ((name: string) => TinyGrid | null);
  readonly seed?: number;
}

/** A seeded model in memory: same arguments, same weights. Norms lie around 1, matrices have a standard deviation of 1 / sqrt(cols). */
export function tinyStore(options: TinyOptions = {}): WeightStore {
  const config: ModelConfig = { ...TINY_CONFIG, ...options.config };
  const tensors = new Map<string, WeightTensor>();
  const arch = ARCHITECTURES.find((row) => row.id === config.arch)!;
  for (const { name, rows, cols } of expectedTensors(arch, config)) {
    const seed = hash(name) + (options.seed ?? 1);
    const kind = typeof options.grid === 'function' ? options.grid(name) : options.grid;
    if (rows > 1 && kind) {
      const { grid, values } = seededGrid(kind, rows * cols, 1 / Math.sqrt(cols), seed);
      tensors.set(name, tensorOf(name, rows, cols, values, kind, grid));
      continue;
    }
    const next = gaussian(seed);
    const value = rows === 1 ? (): number => 1 + 0.1 * next() : (): number => next() / Math.sqrt(cols);
    tensors.set(name, tensorOf(name, rows, cols, Float32Array.from({ length: rows * cols }, value), 'F32', null));
  }
  return {
    config,
    tokenizer: tinyTokenizer(),
    provenance: { source: 'tiny', format: 'synthetic', license: null },
    has: (name) => tensors.has(name),
    tensor: (name) => {
      const found = tensors.get(name);
      if (!found) throw new TetradError('missing_tensor', `Cannot read the model: tensor ${JSON.stringify(name)} is missing`);
      return found;
    },
    close: async () => {},
  };
}
