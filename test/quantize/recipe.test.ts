import { describe, expect, it } from 'vitest';
import { withOverrides } from '../../src/quantize/overrides.ts';
import { checkLayers, parseRecipe } from '../../src/quantize/parse.ts';
import { planImage } from '../../src/quantize/plan.ts';
import { formatsOf, hessianNeeds, needsCalibration, needsHessians, needsSamples, some } from '../../src/quantize/recipe.ts';
import { RECIPE_NAMES, recipe } from '../../src/quantize/registry.ts';
import { resolveRecipe } from '../../src/surfaces/quantize/options.ts';
import { COMPENSATED } from '../support/rounding.ts';
import { tinyStore } from '../support/tiny-model.ts';

const problem = (changes: object): string => {
  try {
    parseRecipe({ ...recipe('w4a8'), ...changes });
    return 'none';
  } catch (error) {
    return `${(error as { code?: string }).code}: ${(error as Error).message}`;
  }
};

describe('recipe()', () => {
  it('knows the plain formats and the methods, each frozen and JSON-serialisable', () => {
    expect(RECIPE_NAMES).toEqual([
      'f32', 'w8a8', 'w4a8', 'w4a4', 'w4ax', 'keep', 'house', 'comet', 'comet-rotated', 'gptq', 'smoothquant', 'llm-int8', 'zeroquant', 'omniquant', 'rptq', 'atom',
      'quik', 'dgq', 'qoq', 'qoq-channel', 'spqr', 'svdquant', 'quarot', 'marlin',
    ]);
    for (const name of RECIPE_NAMES) {
      const found = recipe(name);
      expect(found.name).toBe(name);
      expect(parseRecipe(JSON.parse(JSON.stringify(found)))).toEqual(found);
      expect(Object.isFrozen(found) && Object.isFrozen(found.weight) && Object.isFrozen(found.sites)).toBe(true);
    }
  });

  it('lists the names where there is no such recipe', () => {
    expect(() => recipe('w4a9')).toThrow('Cannot find recipe "w4a9": there are f32, w8a8, w4a8, w4a4, w4ax, keep, house');
  });
});

describe('formatsOf()', () => {
  it('lets later site rules win and leaves other sites alone', () => {
    const act = { bits: 8, block: 128, clip: 1 };
    const changed = parseRecipe({ ...recipe('w4a4'), sites: [{ match: { site: 'mlp.down' }, act }, { match: { site: 'mlp.down' }, act: { ...act, block: 32 } }] });
    const at = (site: 'mlp.down' | 'attn.o', layer: number) => formatsOf(changed, { site, layer, layers: 30 });
    expect(at('mlp.down', 3)).toEqual({ weight: recipe('w4a4').weight, act: { ...act, block: 32 }, rounding: 'nearest', clip: { by: 'leastSquares' } });
    expect(at('attn.o', 3).act).toEqual(recipe('w4a4').act);
  });

  it('takes a rule only in its layers', () => {
    const weight = { bits: 6, block: 32, scale: 'u8', zero: 'min' };
    const changed = parseRecipe({ ...recipe('w4a8'), sites: [{ match: { site: 'mlp.down', layers: [2, 4] }, weight }] });
    expect([1, 2, 4, 5].map((layer) => formatsOf(changed, { site: 'mlp.down', layer, layers: 30 }).weight.bits)).toEqual([4, 6, 6, 4]);
  });
});

describe('rules for layers counted from the end', () => {
  const weight = { bits: 6, block: 32, scale: 'u8', zero: 'min' } as const;
  const withRules = (...layers: [number, number][]) => parseRecipe({ ...recipe('w4a8'), sites: layers.map((range) => ({ match: { site: 'mlp.down', layers: range }, weight })) });
  const bits = (changed: ReturnType<typeof parseRecipe>, layers: number): number[] =>
    Array.from({ length: layers }, (_, layer) => formatsOf(changed, { site: 'mlp.down', layer, layers }).weight.bits as number);

  it('hold in the layers that they name in a model of any size', () => {
    expect(bits(withRules([0, 0], [-1, -1]), 5)).toEqual([6, 4, 4, 4, 6]);
    expect(bits(withRules([0, 0], [-1, -1]), 1)).toEqual([6]);
    expect(bits(withRules([1, -2]), 5)).toEqual([4, 6, 6, 6, 4]);
    expect(bits(withRules([-3, -2]), 4)).toEqual([4, 6, 6, 4]);
  });

  it('count among the places of a recipe', () => {
    const at = (range: [number, number]): boolean => some(withRules(range), (formats) => formats.weight.bits === 6);
    expect([[0, 0], [-1, -1], [3, -3], [-4, -2]].map((range) => at(range as [number, number]))).toEqual([true, true, true, true]);
  });

  it('are refused by checkLayers() where the model does not have them, naming the field', () => {
    for (const range of [[-1, -1], [0, 29], [-30, 29], [29, -1]] as const) checkLayers(withRules([...range]), 30);
    for (const range of [[30, 30], [0, 30], [-31, -1], [5, 4], [-2, 3]] as const) {
      const refused = { code: 'invalid_recipe', message: expect.stringContaining(`sites.1.match.layers is ${JSON.stringify(range)}, needed are the first and the last of some layers from 0 to 29`) };
      expect(() => checkLayers(withRules([0, 0], [...range]), 30)).toThrow(expect.objectContaining(refused));
    }
    const store = tinyStore({ config: { layers: 2 } });
    expect(() => planImage(store, withRules([0, 2]))).toThrow(expect.objectContaining({ code: 'invalid_recipe' }));
  });

  it('are refused where those that meet in a model contradict each other', () => {
    const changed = parseRecipe({ ...recipe('w4a8'), sites: [
      { match: { site: 'mlp.down', layers: [0, 0] }, weight: { bits: 32 }, act: { bits: 32 } },
      { match: { site: 'mlp.down', layers: [-1, -1] }, act: { bits: 8, block: 32, clip: 1 } },
    ] });
    checkLayers(changed, 2);
    expect(() => checkLayers(changed, 1)).toThrow(expect.objectContaining({ message: expect.stringContaining('sites.1.act.bits is 8 where sites.0.weight.bits is 32') }));
  });
});

describe('hessianNeeds()', () => {
  it('gathers what the roundings of all sites ask for', () => {
    const rules = (...roundings: object[]) => parseRecipe({ ...recipe('w4a8'), sites: roundings.map((rounding, i) => ({ match: { site: 'mlp.down', layers: [i, i] }, rounding })) });
    expect(hessianNeeds(rules())).toEqual({ inputs: 'exact', attention: false, skip: 0, correction: false });
    expect(hessianNeeds(rules(COMPENSATED, { ...COMPENSATED, attention: true, skip: 1 }))).toEqual({ inputs: 'exact', attention: true, skip: 1, correction: false });
    expect(hessianNeeds(rules({ ...COMPENSATED, inputs: 'quantised', correction: 0.1 }, { ...COMPENSATED, skip: 3 }))).toEqual({ inputs: 'quantised', attention: false, skip: 3, correction: true });
    expect(hessianNeeds(recipe('house'))).toEqual({ inputs: 'quantised', attention: true, skip: 1, correction: false });
  });
});

describe('needsCalibration()', () => {
  it('tells plain statistics from second moments', () => {
    const needs = (name: string): string => [needsSamples(recipe(name)) && 'samples', needsHessians(recipe(name)) && 'hessians'].filter(Boolean).join(' ');
    expect(Object.fromEntries(['w4a8', 'zeroquant', 'w4ax', 'smoothquant', 'gptq', 'comet', 'dgq', 'quarot'].map((name) => [name, needs(name)]))).toEqual({
      w4a8: '', zeroquant: '', w4ax: 'samples', smoothquant: 'samples', gptq: 'hessians', comet: 'samples hessians', dgq: 'samples hessians', quarot: 'hessians',
    });
    expect(needsCalibration(recipe('llm-int8'))).toBe(false);
  });
});

describe('parseRecipe()', () => {
  const weight = { bits: 4, block: 32, scale: 'u8', zero: 'min' };
  const kv = { bits: 4, keyGroup: 32, valueGroup: 32, firstPage: 8 };
  const cases: [string, object, string][] = [
    ['an unknown key', { extra: 1 }, 'extra is no known field'],
    ['an unknown key inside', { weight: { ...weight, groups: 3 } }, 'weight.groups is no known field'],
    ['a missing key', { act: undefined }, 'act is missing'],
    ['bits without kernels', { weight: { ...weight, bits: 5 } }, 'weight.bits is 5, needed is'],
    ['a block without kernels', { act: { bits: 8, block: 48, clip: 1 } }, 'act.block is 48, needed is (32 | 64 | 128 | "row")'],
    ['a share above 1', { split: [{ kind: 'blocks', share: 1.5, act: { bits: 8, clip: 1 } }] }, 'split.0.share is 1.5, needed is <=1'],
    ['a share below 0', { split: [{ kind: 'blocks', share: -0.1, act: { bits: 8, clip: 1 } }] }, 'split.0.share is -0.1, needed is >=0'],
    ['NaN', { act: { bits: 8, block: 64, clip: NaN } }, 'act.clip is NaN, needed is number'],
    ['an activation block below the weight block', { weight: { ...weight, block: 128 } }, 'weight and act are an activation block of 64, needed is a multiple of the weight block, 128'],
    ['the same in a rule', { sites: [{ match: { site: 'output' }, act: { bits: 8, block: 32, clip: 1 }, weight: { ...weight, block: 64 } }] }, 'sites.0.weight and sites.0.act are an activation block of 32, needed is a multiple of the weight block, 64'],
    ['f32 weights with integer activations', { weight: { bits: 32 }, sites: [] }, 'act.bits is 8 where weight.bits is 32'],
    ['source weights rounded to nearest', { weight: { bits: 'source' }, sites: [] }, 'rounding is "nearest" where weight.bits is "source"'],
    ['source codes under a permutation', { rounding: 'source', transforms: [{ kind: 'reorder', by: 'energy' }] }, 'rounding is "source" in a recipe that transforms or permutes channels'],
    ['an unknown site', { sites: [{ match: { site: 'mlp.up' } }] }, 'sites.0.match.site is "mlp.up", needed is'],
    ['a KV width without kernels', { kv: { bits: 2 } }, 'kv.bits is 2, needed is (4 | 8 | 32)'],
    ['a KV format that is none', { kv: 4 }, 'kv is 4, needed is Object'],
    ['K scales without kernels', { kv: { ...kv, keyGroup: 16 } }, 'kv.keyGroup is 16, needed is (32 | 64)'],
    ['V scales without kernels', { kv: { ...kv, valueGroup: 48 } }, 'kv.valueGroup is 48, needed is (16 | 32 | 64)'],
    ['an f32 first page', { kv: { ...kv, firstPage: 32 } }, 'kv.firstPage is 32, needed is (4 | 8)'],
    ['a missing KV field', { kv: { bits: 4, keyGroup: 32, valueGroup: 32 } }, 'kv.firstPage is missing'],
    ['a KV field of another width', { kv: { bits: 8, keyGroup: 32 } }, 'kv.keyGroup is no known field'],
    ['keys that are rotated before RoPE', { kv: { bits: 4, per: 'token', rope: 'before', rotate: true } }, 'rotate is true where rope is "before"'],
    ['constants of keys before RoPE', { kv: { bits: 8, per: 'static', rope: 'before' } }, 'kv.rope is "before" where kv.per is "static", needed is "after"'],
    ['constants of rotated keys', { kv: { bits: 8, per: 'static', rope: 'after', rotate: true } }, 'kv.rotate is true where kv.per is "static", needed is "token"'],
    ['a row of scales per block', { weight: { ...weight, block: 'row' } }, 'scale is "u8" where block is "row", needed is "bf16"'],
    ['3-bit scales with other zeros', { weight: { bits: 4, block: 16, scale: 'u3', zero: 'min' }, act: { bits: 32 } }, 'zero is "min" where scale is "u3"'],
    ['3 bits with integer activations', { weight: { bits: 3, block: 32, scale: 'f16', zero: 'min' } }, 'weight and act are weights of 3 bits'],
    ['3 bits in the embedding', { weight: { bits: 3, block: 32, scale: 'f16', zero: 'min' }, act: { bits: 32 }, sites: [] }, 'weight has 3 bits and f16 scales, needed for the output layer'],
    ['a step twice', { split: [{ kind: 'sparse', share: 0.01 }, { kind: 'sparse', share: 0.02 }] }, 'split.1.kind is "sparse" for the second time'],
    ['an unknown step', { transforms: [{ kind: 'shuffle' }] }, 'transforms.0.kind is "shuffle", needed is'],
    ['a late rotation', { transforms: [{ kind: 'reorder', by: 'energy' }, { kind: 'rotate', residual: true, heads: true, online: [] }] }, 'transforms.0.kind is "reorder" before another transform'],
    ['smoothing before an online rotation', { transforms: [{ kind: 'rotate', residual: true, heads: true, online: ['mlp.down'] }, { kind: 'smooth', sites: ['mlp.down'], rule: { by: 'power', activations: 0.5, weights: 0.5 } }] }, 'transforms.1.sites.0 is "mlp.down", which transforms.0.online rotates'],
    ['blocks by share and threshold', { split: [{ kind: 'blocks', share: 0.1, threshold: 8, act: { bits: 8, clip: 1 } }] }, 'split.0 has both of share and threshold'],
    ['blocks of whole rows', { act: { bits: 4, block: 'row', clip: 1 }, sites: [], split: [{ kind: 'blocks', share: 0.1, act: { bits: 8, clip: 1 } }] }, 'split.0 has no activation blocks to choose from'],
    ['a rank that is no panel', { split: [{ kind: 'lowRank', rank: 20, iterations: 1 }] }, 'split.0.rank is 20, needed is'],
    ['an order of columns that grids cannot follow', { rounding: { kind: 'gptq', damping: 0.01, order: 'energy', groups: 'updated', inputs: 'exact', attention: false, sweeps: 0, skip: 0, correction: 0 } }, 'rounding.groups is "updated" where rounding.order is "energy"'],
    ['a correction of inputs that are exact', { rounding: { ...COMPENSATED, correction: 0.25 } }, 'rounding.correction is 0.25 where rounding.inputs is "exact", needed is "quantised"'],
    ['a correction beside a low-rank branch', { rounding: { ...COMPENSATED, inputs: 'quantised', correction: 0.25 }, split: [{ kind: 'lowRank', rank: 16, iterations: 1 }] }, 'rounding.correction is 0.25 beside a low-rank branch'],
    ['a correction of more than all', { rounding: { ...COMPENSATED, inputs: 'quantised', correction: 1.5 } }, 'rounding.correction is 1.5, needed is'],
    ['a correction at the last layer alone', { sites: [{ match: { site: 'mlp.down', layers: [-1, -1] }, rounding: { ...COMPENSATED, correction: 0.25 } }] }, 'sites.0.rounding.correction is 0.25'],
    ['outliers of static activations', { act: { bits: 8, block: 64, clip: 1, range: 'static', outliers: 6 } }, 'act.outliers is 6 where activations are static'],
  ];
  for (const [what, changes, expected] of cases) {
    it(`names the field for ${what}`, () => {
      const text = problem(changes);
      expect(text).toMatch(/^invalid_recipe: Cannot use recipe "w4a8": /);
      expect(text).toContain(expected);
    });
  }

  it('refuses what is no object', () => {
    for (const value of [null, 3, 'w4a8', []]) expect(() => parseRecipe(value)).toThrow(/^Cannot use recipe: /);
  });
});

describe('withOverrides()', () => {
  it('replaces numbers, words, objects and appends to lists', () => {
    const changed = withOverrides(recipe('w4ax'), ['split.0.share=0.5', 'weight.scale=f16', 'act={"bits":8,"block":128,"clip":1}', 'sites.1={"match":{"site":"mlp.down"}}']);
    expect(changed.split[0]).toMatchObject({ share: 0.5 });
    expect(changed.weight).toEqual({ bits: 4, block: 32, scale: 'f16', zero: 'min' });
    expect(changed.act).toEqual({ bits: 8, block: 128, clip: 1 });
    expect(changed.sites).toHaveLength(2);
    expect(recipe('w4ax').split[0]).toMatchObject({ share: 0.25 });
    expect(formatsOf(withOverrides(recipe('w4a8'), ['rounding=source', 'sites.0.rounding=nearest']), { site: 'output', layer: null, layers: 30 }).rounding).toBe('nearest');
  });

  it('takes the KV cache by width or field by field', () => {
    const kvOf = (...settings: string[]): object => withOverrides(recipe('w4a8'), settings).kv;
    expect(kvOf('kv=8')).toEqual({ bits: 8 });
    expect(kvOf('kv=32', 'kv=4')).toEqual(recipe('w4a8').kv);
    expect(kvOf('kv.keyGroup=64', 'kv.firstPage=4')).toEqual({ bits: 4, keyGroup: 64, valueGroup: 32, firstPage: 4 });
    expect(resolveRecipe({ recipe: 'f32', kv: 4, set: ['kv.valueGroup=16'] }).kv).toEqual({ bits: 4, keyGroup: 32, valueGroup: 16, firstPage: 8 });
    expect(() => kvOf('kv.valueGroup=8')).toThrow('kv.valueGroup is 8, needed is (16 | 32 | 64)');
    expect(() => kvOf('kv=8', 'kv.keyGroup=64')).toThrow('there is no "keyGroup", needed is one of bits');
  });

  it('names what is wrong with a path or a value', () => {
    const apply = (setting: string) => (): unknown => withOverrides(recipe('w4ax'), [setting]);
    expect(apply('weight.blocks=64')).toThrow('Cannot apply "weight.blocks=64": there is no "blocks", needed is one of bits, block, scale, zero');
    expect(apply('split.4.share=1')).toThrow('there is no "4", needed is one of 0');
    expect(apply('rounding.bits=4')).toThrow('there is no "bits", needed is no field');
    expect(apply('__proto__.x=1')).toThrow('there is no "__proto__"');
    expect(apply('kv')).toThrow('there is no "path=value" in it');
    expect(apply('kv=5')).toThrow('Cannot use recipe "w4ax": kv is 5');
  });
});
