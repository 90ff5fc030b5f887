import { describe, expect, it } from 'vitest';
import { layerImage, layerRange, readLayer } from '../../src/calibrate/layer-image.ts';
import type { ModelImage } from '../../src/models/image.ts';
import { planImage } from '../../src/quantize/plan.ts';
import { RECIPE_NAMES, recipe } from '../../src/quantize/registry.ts';
import { quantize } from '../../src/quantize/run.ts';
import { imageBytes, linearValues } from '../support/image.ts';
import { tinyStore } from '../support/tiny-model.ts';

const store = tinyStore({ config: { layers: 3, hidden: 64, headDim: 16, ffn: 192 }, grid: 'Q4_1' });
const image = quantize(store, recipe('w4a8'));

describe('layerRange()', () => {
  it.each(RECIPE_NAMES)('is what the quantiser makes at once: %s', (name) => {
    const { manifest, groups } = planImage(store, recipe(name));
    for (const { layer, offset, bytes } of groups) if (layer !== null) expect(layerRange(manifest, layer)).toEqual({ offset, bytes });
  });
});

describe('layerImage()', () => {
  it('holds the same weights under the names of layer 0', async () => {
    const all = await imageBytes(image);
    for (const layer of [0, 2]) {
      const bytes = await readLayer(image, layer);
      const one = layerImage(image.manifest, layer, bytes);
      expect(one.manifest.config).toEqual({ ...store.config, layers: 1 });
      expect(await imageBytes(one)).toEqual(bytes);
      expect(Object.keys(one.manifest.linears)).toEqual(['attn.qkv', 'attn.o', 'mlp.gate_up', 'mlp.down'].map((name) => `layers.0.${name}`));
      for (const [name, linear] of Object.entries(one.manifest.linears)) {
        expect(linearValues(bytes, linear)).toEqual(linearValues(all, image.manifest.linears[name.replace('.0.', `.${layer}.`)]!));
      }
      const { offset } = image.manifest.vectors[`layers.${layer}.mlp.norm`]!;
      const at = one.manifest.vectors['layers.0.mlp.norm']!.offset;
      expect(bytes.slice(at, at + 256)).toEqual(all.slice(offset, offset + 256));
    }
  });

  it('refuses bytes of another length', () => {
    expect(() => layerImage(image.manifest, 1, new Uint8Array(64))).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
  });
});

describe('readLayer()', () => {
  it('puts a layer together from pieces of any size', async () => {
    const all = await imageBytes(image);
    const size = 1000;
    const cut: ModelImage = {
      ...image,
      pieces: () => Array.from({ length: Math.ceil(all.length / size) }, (_, i) => {
        const bytes = all.subarray(i * size, (i + 1) * size);
        return { offset: i * size, bytes: bytes.length, fill: async (target: Uint8Array) => target.set(bytes) };
      }),
    };
    expect(await readLayer(cut, 1)).toEqual(await readLayer(image, 1));
  });
});
