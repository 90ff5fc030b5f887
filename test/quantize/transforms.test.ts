import { describe, expect, it } from 'vitest';
import { openWasm } from '../../src/backends/wasm/open.ts';
import { PAGE } from '../../src/formats/descriptor.ts';
import { KV32 } from '../../src/formats/number-format.ts';
import type { ModelConfig } from '../../src/models/config.ts';
import type { WeightStore } from '../../src/models/weights.ts';
import { foldStore } from '../../src/quantize/folded-store.ts';
import { parseRecipe } from '../../src/quantize/parse.ts';
import { stepOf } from '../../src/quantize/recipe.ts';
import { recipe } from '../../src/quantize/registry.ts';
import { quantize } from '../../src/quantize/run.ts';
import type { Block, Recipe, Transform } from '../../src/quantize/schema.ts';
import { rotateStore, smoothStore } from '../../src/quantize/transforms.ts';
import { createDecoder } from '../../src/runtime/decoder.ts';
import { allLogits } from '../support/logits.ts';
import { testModules } from '../support/modules.ts';
import { naiveLogits, naiveSamples } from '../support/naive-llama.ts';
import { tinyStore } from '../support/tiny-model.ts';

const modules = await testModules();
const IDS = [256, 72, 101, 108, 108, 111, 44, 32, 119, 111, 114, 108, 100, 33];
/** Widths with Hadamard matrices: 96 = 12 x 8, 24 = 12 x 2, 192 = 12 x 16. */
const CONFIG = { ffn: 192 };

const withTransforms = (...transforms: Transform[]): Recipe => ({ ...recipe('f32'), transforms });
const rotation = (fields: Partial<Block<'rotate'>>): Transform => ({ kind: 'rotate', residual: false, heads: false, online: [], ...fields });

/** Largest difference from `wanted`, over its largest magnitude. */
function apart(found: ArrayLike<number>, wanted: Float64Array): number {
  const peak = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return wanted.reduce((most, value, i) => Math.max(most, Math.abs(value - found[i]!)), 0) / peak;
}

/** Logits of the f32 decoder. */
async function decoded(store: WeightStore): Promise<Float32Array> {
  const options = { context: IDS.length, kv: KV32, logitRows: PAGE };
  const decoder = await createDecoder(quantize(store, recipe('f32')), (bytes) => openWasm(modules, 'simd128', bytes), options);
  return allLogits(decoder, IDS);
}

/** What the runtime has to do after a recipe's rotation. */
function runtimePart(given: Recipe): { rotated: boolean; online: ReadonlySet<string> } {
  const rotate = stepOf(given, 'rotate');
  return { rotated: rotate?.residual ?? false, online: new Set(rotate?.online) };
}

/** Logits of a rotated store with and without what the runtime has to do. */
async function rotatedLogits(store: WeightStore, given: Recipe): Promise<{ whole: Float64Array; alone: Float64Array }> {
  const view = await rotateStore(store, given);
  return { whole: await naiveLogits(view, IDS, runtimePart(given)), alone: await naiveLogits(view, IDS) };
}

describe('naiveLogits()', () => {
  it('gives the logits of the f32 decoder', async () => {
    const store = tinyStore({ config: CONFIG });
    expect(apart(await decoded(store), await naiveLogits(store, IDS))).toBeLessThan(1e-5);
  });
});

describe('rotateStore() keeps the f32 function', () => {
  const models: [string, Partial<ModelConfig>][] = [['tied', CONFIG], ['untied', { ...CONFIG, tied: false }], ['without grouped heads', { ...CONFIG, kvHeads: 4 }]];
  for (const [name, config] of models) {
    const store = tinyStore({ config });

    it(`of a ${name} model when values are rotated head by head, on the decoder as it is`, async () => {
      const view = await rotateStore(store, withTransforms(rotation({ heads: true })));
      const exact = await naiveLogits(store, IDS);
      expect(apart(await naiveLogits(view, IDS), exact)).toBeLessThan(1e-6);
      expect(apart(await decoded(view), exact)).toBeLessThan(1e-5);
    });

    const parts: Partial<Block<'rotate'>>[] = [
      { residual: true }, { online: ['mlp.down'] }, { online: ['attn.o'] }, { heads: true, online: ['attn.o'] },
      { residual: true, heads: true, online: ['attn.o', 'mlp.down'] },
    ];
    for (const part of parts) {
      it(`of a ${name} model for ${JSON.stringify(part)} with the runtime's part, and not without`, async () => {
        const { whole, alone } = await rotatedLogits(store, withTransforms(rotation(part)));
        const exact = await naiveLogits(store, IDS);
        expect(apart(whole, exact)).toBeLessThan(1e-6);
        expect(apart(alone, exact)).toBeGreaterThan(0.1);
      });
    }
  }

  it('and spreads an outlier channel of the hidden states', async () => {
    const store = tinyStore({ config: CONFIG });
    const spike = Float64Array.from({ length: 96 }, (_, c) => (c === 5 ? 50 : 1));
    const spiked = foldStore(store, new Map([['embed', [{ kind: 'scale', axis: 'columns', factors: spike }]]]));
    const given = withTransforms(rotation({ residual: true }));
    const ratio = async (view: WeightStore, rotated: boolean): Promise<number> => {
      const { absmax, meanSquare } = (await naiveSamples(view, IDS, { rotated })).get('layers.0.attn.qkv')!;
      return Math.max(...absmax) / Math.sqrt(meanSquare.reduce((sum, value) => sum + value, 0) / meanSquare.length);
    };
    expect(await ratio(spiked, false)).toBeGreaterThan(2 * await ratio(await rotateStore(spiked, given), true));
  });

  it('with norms fused, tables that differ in signs alone, and the last norm as it was', async () => {
    const store = tinyStore({ config: { ...CONFIG, tied: false } });
    const view = await rotateStore(store, withTransforms(rotation({ residual: true })));
    const read = (from: WeightStore, name: string): Promise<Float32Array> => from.tensor(name).read(0, from.tensor(name).rows);
    for (const name of ['layers.0.attn.norm', 'layers.1.mlp.norm']) expect(await read(view, name)).toEqual(new Float32Array(96).fill(1));
    expect(view.tensor('norm')).toBe(store.tensor('norm'));
    for (const name of ['embed', 'output']) {
      const [before, after] = [await read(store, name), await read(view, name)];
      expect(after.map(Math.abs)).toEqual(before.map(Math.abs));
      expect(after).not.toEqual(before);
    }
  });
});

describe('rotateStore() names the field and the width that has no Hadamard matrix', () => {
  it.each([
    [{ residual: true }, { hidden: 92 }, 'transforms.0.residual', '92'],
    [{ heads: true }, { headDim: 52 }, 'transforms.0.heads', '52'],
    [{ online: ['attn.o'] }, { heads: 5, kvHeads: 1, headDim: 20 }, 'transforms.0.online', '100'],
    [{ online: ['mlp.down'] }, { ffn: 200 }, null, ''],
    [{ online: ['mlp.down'] }, { ffn: 188 }, 'transforms.0.online', '188'],
  ] as const)('%j of %j', async (part, config, field, width) => {
    const rotated = rotateStore(tinyStore({ config }), withTransforms(rotation(part)));
    if (field === null) await rotated;
    else await expect(rotated).rejects.toMatchObject({ code: 'invalid_recipe', message: expect.stringMatching(new RegExp(`"f32".*${field} .* ${width} channels`)) });
  });
});

describe('smoothStore()', () => {
  const store = tinyStore({ config: CONFIG });
  const SITES = ['attn.qkv', 'attn.o', 'mlp.gate_up', 'mlp.down'] as const;
  const rules: Block<'smooth'>['rule'][] = [{ by: 'power', activations: 0.5, weights: 0.5 }, { by: 'percentile', share: 0.05 }, { by: 'search', steps: 4 }];
  /** Formats that a search tries its candidates with. */
  const { weight, act } = recipe('w4a4');

  for (const rule of rules) {
    it(`keeps the f32 function with a ${rule.by} rule, and says what the inputs have become`, async () => {
      const samples = await naiveSamples(store, IDS);
      const smoothed = await smoothStore(store, { ...withTransforms({ kind: 'smooth', sites: SITES, rule }), weight, act }, samples);
      const exact = await naiveLogits(store, IDS);
      expect(apart(await naiveLogits(smoothed.store, IDS), exact)).toBeLessThan(1e-6);
      expect(apart(await decoded(smoothed.store), exact)).toBeLessThan(1e-5);
      const seen = await naiveSamples(smoothed.store, IDS);
      for (const [name, site] of smoothed.samples) {
        for (const key of ['rows', 'meanSquare', 'absmax', 'minimum', 'maximum'] as const) {
          expect(apart(site[key], Float64Array.from(seen.get(name)![key])), `${name} ${key}`).toBeLessThan(1e-5);
        }
      }
      const changed = SITES.map((site) => apart(smoothed.samples.get(`layers.0.${site}`)!.absmax, Float64Array.from(samples.get(`layers.0.${site}`)!.absmax)));
      if (rule.by !== 'search') expect(Math.min(...changed)).toBeGreaterThan(0.05);
    });
  }

  it('divides the whole power of the activations away, up to one factor for all channels', async () => {
    const block: Transform = { kind: 'smooth', sites: ['mlp.down', 'attn.qkv'], rule: { by: 'power', activations: 1, weights: 0 } };
    const { samples } = await smoothStore(store, withTransforms(block), await naiveSamples(store, IDS));
    for (const name of ['layers.1.mlp.down', 'layers.0.attn.qkv']) {
      const { absmax } = samples.get(name)!;
      expect(Math.max(...absmax) / Math.min(...absmax)).toBeLessThan(1 + 1e-6);
    }
  });

  it('keeps the f32 function with smoothed keys, which become equally large over their pairs', async () => {
    const smoothed = await smoothStore(store, withTransforms({ kind: 'smoothKeys', power: 1 }), await naiveSamples(store, IDS));
    const exact = await naiveLogits(store, IDS);
    expect(apart(await naiveLogits(smoothed.store, IDS), exact)).toBeLessThan(1e-6);
    expect(apart(await decoded(smoothed.store), exact)).toBeLessThan(1e-5);
    const seen = (await naiveSamples(smoothed.store, IDS)).get('layers.1.attn.keys')!;
    expect(apart(smoothed.samples.get('layers.1.attn.keys')!.absmax, Float64Array.from(seen.absmax))).toBeLessThan(1e-5);
    for (let head = 0; head < 2; head++) {
      for (let i = 0; i < 12; i++) expect(Math.max(seen.absmax[head * 24 + i]!, seen.absmax[head * 24 + 12 + i]!)).toBeCloseTo(1, 5);
    }
  });

  it('composes with a rotation and with itself', async () => {
    const smooth: Transform = { kind: 'smooth', sites: ['attn.qkv', 'attn.o', 'mlp.gate_up'], rule: { by: 'power', activations: 0.5, weights: 0.5 } };
    const given = withTransforms(rotation({ residual: true, heads: true, online: ['mlp.down'] }), smooth, { kind: 'smoothKeys', power: 0.5 }, smooth);
    const options = runtimePart(given);
    const view = await rotateStore(store, given);
    const smoothed = await smoothStore(view, given, await naiveSamples(view, IDS, options));
    expect(apart(await naiveLogits(smoothed.store, IDS, options), await naiveLogits(store, IDS))).toBeLessThan(1e-6);
  });

  it('needs samples of the sites that it smooths', async () => {
    const block: Transform = { kind: 'smooth', sites: ['mlp.down'], rule: { by: 'percentile', share: 0.005 } };
    const message = expect.stringMatching(/layers\.0\.mlp\.down: found no samples, needed are calibration samples of 192 channels/);
    await expect(smoothStore(store, withTransforms(block), new Map())).rejects.toMatchObject({ code: 'invalid_argument', message });
    const keys = smoothStore(store, withTransforms({ kind: 'smoothKeys', power: 0.5 }), await naiveSamples(tinyStore({ config: { kvHeads: 4 } }), IDS));
    await expect(keys).rejects.toMatchObject({ message: expect.stringMatching(/layers\.0\.attn\.keys: found samples of 96 channels, needed .* 48/) });
  });
});

describe('parseRecipe() and the order of transforms', () => {
  const smooth: Transform = { kind: 'smooth', sites: ['attn.qkv', 'mlp.down'], rule: { by: 'percentile', share: 0.005 } };
  const reorder: Transform = { kind: 'reorder', by: 'energy' };
  it.each<[string | null, Transform[]]>([
    [null, [rotation({ online: ['attn.o'] }), smooth, { kind: 'smoothKeys', power: 0.5 }, reorder]],
    ['transforms.1.sites.1 is "mlp.down", which transforms.0.online rotates', [rotation({ online: ['mlp.down'] }), smooth]],
    ['transforms.1.kind is "rotate" after', [smooth, rotation({})]],
    ['transforms.1.kind is "rotate" for the second time', [rotation({}), rotation({})]],
    ['transforms.0.kind is "reorder" before', [reorder, smooth]],
    ['transforms.1.kind is "reorder" for the second time', [reorder, reorder]],
  ])('says %j', (problem, transforms) => {
    const parse = (): unknown => parseRecipe(withTransforms(...transforms));
    if (problem === null) expect(parse).not.toThrow();
    else expect(parse).toThrow(problem);
  });
});
