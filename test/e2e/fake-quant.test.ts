import { describe, expect, it } from 'vitest';
import { openWasm } from '../../src/backends/wasm/open.ts';
import { PAGE } from '../../src/formats/descriptor.ts';
import { isCodes, KV32, type ActFormat } from '../../src/formats/number-format.ts';
import type { WeightStore } from '../../src/models/weights.ts';
import { withOverrides } from '../../src/quantize/overrides.ts';
import { recipe, RECIPE_NAMES } from '../../src/quantize/registry.ts';
import { createDecoder } from '../../src/runtime/decoder.ts';
import { fakeQuantised, watch, type Tally } from '../support/fake-quant.ts';
import { testModules } from '../support/modules.ts';
import { naiveForward } from '../support/naive-llama.ts';
import { pack, storeFor, type Packed } from '../support/pack.ts';

const modules = await testModules();
/** A page and a few tokens. */
const ids = Array.from({ length: PAGE + 6 }, (_, i) => (i * 89 + 7) % 256);

/** The store with two channels behind every norm four times as large, as trained models have them. */
function withOutliers(store: WeightStore): WeightStore {
  const tensor: WeightStore['tensor'] = (name) => {
    const found = store.tensor(name);
    if (!name.endsWith('norm')) return found;
    return { ...found, read: async (from, to, signal) => (await found.read(from, to, signal)).map((value, c) => (c === 5 || c === 40 ? 4 * value : value)) };
  };
  return { ...store, tensor };
}

/** Rows of a recipe, with changes that make its blocks show on a small model. */
const CASES: readonly (readonly [name: string, ...settings: string[]])[] = [
  ...RECIPE_NAMES.map((name) => [name] as const),
  ['atom', 'split.0.share=0.3'],
  ['quik', 'split.0.share=0.3'],
  ['spqr', 'weight.bits=3', 'split.0.share=0.05'],
  ['llm-int8', 'act.outliers=1.5'],
  ['w4a8', 'kv={"bits":8,"per":"static","rope":"after"}'],
];

async function compare(image: Packed, as: Packed = image): Promise<{ off: number; tally: Tally }> {
  const { manifest } = image;
  const kv = isCodes(manifest.kv) ? manifest.kv : KV32; // pages that are packed later have tests of their own
  const decoder = await createDecoder(image, (bytes) => openWasm(modules, 'simd128', bytes), { context: ids.length, kv, logitRows: PAGE });
  const seen = watch(decoder, ids);
  const { model, tally } = fakeQuantised(as, kv, seen);
  const logits = naiveForward(model, ids);
  const peak = logits.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  return { off: logits.reduce((most, x, i) => Math.max(most, Math.abs(x - seen.logits[i]!)), 0) / peak, tally };
}

const total = (counts: ReadonlyMap<string, number>): number => [...counts.values()].reduce((sum, n) => sum + n, 0);

describe('a packed model on the kernels is the f64 function of its dequantised weights and rounded activations', () => {
  it.each(CASES.map(([name, ...settings]) => ({ title: [name, ...settings].join(' '), name, settings })))('$title', async ({ name, settings }) => {
    const image = await pack(withOutliers(storeFor(name)), withOverrides(recipe(name), settings));
    const { off, tally } = await compare(image);
    expect(off).toBeLessThan(tally.moved);
    const integers = image.manifest.linears['layers.0.attn.qkv']!.segments.some(({ act }) => act);
    expect((tally.codes.get('layers.0.attn.qkv') ?? 0) > 0).toBe(integers);
    expect(tally.ties.get('layers.0.attn.qkv') ?? 0).toBe(0);
    expect(total(tally.ties)).toBeLessThanOrEqual(1e-3 * total(tally.codes));
  });
});

describe('the comparison', () => {
  const changed = (image: Packed, act: Partial<ActFormat>): Packed => {
    const { linears } = image.manifest;
    const down = linears['layers.1.mlp.down']!;
    const segments = down.segments.map((segment) => ({ ...segment, act: { ...segment.act!, ...act } }));
    return { ...image, manifest: { ...image.manifest, linears: { ...linears, 'layers.1.mlp.down': { ...down, segments } } } };
  };

  it('notices a range that is a part in two thousand smaller, and a block of another length', async () => {
    const image = await pack(storeFor('w4a8'), 'w4a8');
    await expect(compare(image, changed(image, { clip: 0.9995 }))).rejects.toThrow(/layers\.1\.mlp\.down: .* has code/);
    await expect(compare(image, changed(image, { block: 128 }))).rejects.toThrow(/layers\.1\.mlp\.down: .* has code/);
  });
});
