import { describe, expect, it } from 'vitest';
import { openWasm } from '../../src/backends/wasm/open.ts';
import { PAGE } from '../../src/formats/descriptor.ts';
import type { WeightStore } from '../../src/models/weights.ts';
import { withOverrides } from '../../src/quantize/overrides.ts';
import { recipe } from '../../src/quantize/registry.ts';
import { createDecoder } from '../../src/runtime/decoder.ts';
import { allLogits } from '../support/logits.ts';
import { testModules } from '../support/modules.ts';
import { pack, storeFor } from '../support/pack.ts';

const modules = await testModules();
const ids = Array.from({ length: PAGE + 6 }, (_, i) => (i * 89 + 7) % 256);

type Change = (value: number, name: string, row: number, col: number) => number;

function changed(store: WeightStore, change: Change): WeightStore {
  const tensor: WeightStore['tensor'] = (name) => {
    const found = store.tensor(name);
    const { cols } = found;
    const read: typeof found.read = async (from, to, signal) =>
      (await found.read(from, to, signal)).map((value, i) => change(value, name, from + Math.floor(i / cols), i % cols));
    return { ...found, read };
  };
  return { ...store, tensor };
}

const MODELS: Readonly<Record<string, Change>> = {
  'with channels of mlp.down, and a head of attn.o, that have no input': (value, name, row) =>
    (name.endsWith('mlp.up') && row === 11) || (name.endsWith('attn.v') && row < 24) ? 0 : value,
  'with channels that no weight reads': (value, name, _, col) => (/attn\.[qkvo]$|mlp\.(gate|up|down)$/.test(name) && col < 3 ? 0 : value),
  'with rows of zeros, and a whole linear': (value, name, row) => (name === 'layers.1.attn.o' || (/attn\.k$|mlp\.(gate|down)$/.test(name) && row < 20) ? 0 : value),
  'whose first inputs are always the same, so that second moments have rank 1': (value, name, _, col) => (name === 'embed' ? Math.sin(col) : value),
  'whose hidden states are zero': (value, name) => (name === 'embed' ? 0 : value),
};

/** Recipes that have every step between them; searches are shorter. */
const RECIPES: Readonly<Record<string, readonly string[]>> = {
  house: [], 'comet-rotated': [], spqr: [], rptq: [], qoq: [], quik: [],
  omniquant: ['transforms.0.rule.steps=3', 'clip.steps=5'], svdquant: ['transforms.0.rule.steps=3', 'split.0.iterations=2'],
};

describe.each(Object.entries(RECIPES))('recipe %s packs a model', (name, settings) => {
  it.each(Object.entries(MODELS))('%s, and its logits are finite', async (_, change) => {
    const image = await pack(changed(storeFor(name), change), withOverrides(recipe(name), settings));
    const decoder = await createDecoder(image, (bytes) => openWasm(modules, 'simd128', bytes), { context: ids.length, kv: image.manifest.kv, logitRows: PAGE });
    expect(allLogits(decoder, ids).every(Number.isFinite)).toBe(true);
  });
});
