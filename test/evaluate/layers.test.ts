import { describe, expect, it } from 'vitest';
import { comparableOf } from '../../src/evaluate/layers/comparable.ts';
import { layerErrors } from '../../src/evaluate/layers/errors.ts';
import { PAGE } from '../../src/formats/descriptor.ts';
import { KV32, type KvFormat } from '../../src/formats/number-format.ts';
import { withOverrides } from '../../src/quantize/overrides.ts';
import { recipe } from '../../src/quantize/registry.ts';
import { quantize } from '../../src/quantize/run.ts';
import { createDecoder, type Decoder } from '../../src/runtime/decoder.ts';
import { opener } from '../../src/surfaces/adapters/node.ts';
import { layersSvg } from '../../src/surfaces/charts/layers.ts';
import { EVEN_SIZES, pack } from '../support/pack.ts';
import { tinyStore } from '../support/tiny-model.ts';

const open = await opener();
const ids = Array.from({ length: 100 }, (_, i) => (i * 37) % 256);

async function decoder(name: string, set: readonly string[] = [], kv: KvFormat = KV32): Promise<Decoder> {
  const chosen = withOverrides(recipe(name), set);
  const options = { context: 128, kv, logitRows: PAGE };
  return createDecoder(await pack(tinyStore(), chosen), open, options);
}

const base = await decoder('f32');
const errorsOf = async (name: string, set?: readonly string[], kv?: KvFormat) => layerErrors(base, await decoder(name, set, kv), ids);

describe('layerErrors()', () => {
  it('of the base itself are zero', async () => {
    const { parts, hidden, tokens } = await errorsOf('f32');
    expect(parts.map(({ layer, part }) => `${layer} ${part}`)).toEqual([
      ...[0, 1].flatMap((layer) => ['attn.qkv', 'attention', 'attn.o', 'mlp.gate_up', 'mlp.down'].map((part) => `${layer} ${part}`)), 'null output',
    ]);
    for (const { part, error, input } of parts) expect([part, error, input]).toEqual([part, 0, part === 'attention' ? null : 0]);
    expect([hidden, tokens]).toEqual([[0, 0], ids.length]);
  });

  it('name the one site that is quantised, and not the f32 KV cache', async () => {
    const set = ['weight={"bits":32}', 'act={"bits":32}', 'rounding=nearest', 'sites=[{"match":{"site":"mlp.down"},"weight":{"bits":4,"block":32,"scale":"f16","zero":"int"},"act":{"bits":4,"block":64,"clip":1}}]'];
    const { parts, hidden } = await errorsOf('w4a4', set);
    expect(parts.filter(({ error }) => error > 0).map(({ layer, part }) => `${layer} ${part}`)).toEqual(['0 mlp.down', '1 mlp.down']);
    const down = parts.find(({ part }) => part === 'mlp.down');
    expect(down!.error).toBeGreaterThan(down!.input!);
    expect(down!.input).toBeGreaterThan(1e-3);
    expect(hidden[0]).toBeGreaterThan(0);
  });

  it('of the KV cache alone are those of attention', async () => {
    const { parts } = await errorsOf('f32', [], recipe('w4a8').kv);
    expect(parts.filter(({ error }) => error > 0).map(({ part }) => part)).toEqual(['attention', 'attention']);
  });

  it('grow as bits go', async () => {
    const mean = async (name: string) => {
      const { parts } = await errorsOf(name);
      return parts.filter(({ part }) => part === 'mlp.gate_up').reduce((sum, { error }) => sum + error, 0);
    };
    const [w8a8, w4a8, w4a4] = [await mean('w8a8'), await mean('w4a8'), await mean('w4a4')];
    expect([w8a8 < w4a8, w4a8 < w4a4, w4a4 < 1, w8a8 > 0]).toEqual([true, true, true, true]);
  });

  it('join the parts between which a permutation hides the numbers, and keep gathered inputs', async () => {
    const { parts } = await errorsOf('w4ax');
    expect(parts.slice(0, 5).map(({ part, input }) => [part, input === null])).toEqual([
      ['attn.qkv', false], ['attention', true], ['attn.o', false], ['mlp.gate_up+mlp.down', true], ['attn.qkv', false],
    ]);
    for (const { error, input } of parts) expect(Math.max(error, input ?? 0)).toBeLessThan(0.1);
  });

  it('leave the decoders as they were', async () => {
    const packed = await decoder('w4a8');
    const before = packed.forward([1, 2, 3]).slice();
    await layerErrors(base, packed, ids);
    expect([packed.position, base.position]).toEqual([0, 0]);
    expect(packed.forward([1, 2, 3])).toEqual(before);
  });

  it('refuses decoders that keep too few logits', async () => {
    const narrow = await createDecoder(quantize(tinyStore(), recipe('f32')), open, { context: 128, kv: KV32 });
    await expect(layerErrors(base, narrow, ids)).rejects.toMatchObject({ code: 'invalid_argument', message: expect.stringContaining('keep 1 rows of logits') });
  });

  it('refuses another shape', async () => {
    const store = tinyStore({ config: { layers: 1 } });
    const other = await createDecoder(quantize(store, recipe('f32')), open, { context: 128, kv: KV32, logitRows: PAGE });
    await expect(layerErrors(base, other, ids)).rejects.toMatchObject({ code: 'invalid_argument', message: expect.stringContaining('must be equal') });
  });
});

describe('comparableOf()', () => {
  const of = (...kinds: string[]) => comparableOf({ recipe: { transforms: kinds.map((kind) => ({ kind })), split: [] } });

  it('hides what the steps of a recipe change', () => {
    expect((['hidden', 'qkv', 'attention', 'middle', 'gateUp'] as const).filter(of('smooth').edge)).toEqual(['hidden', 'middle']);
    expect((['qkv', 'attention', 'gateUp'] as const).filter(of('smoothKeys').edge)).toEqual(['attention', 'gateUp']);
    expect((['qkv', 'attention', 'gateUp'] as const).filter(comparableOf({}).edge)).toEqual(['qkv', 'attention', 'gateUp']);
  });

  it('hides what rotations change, and refuses those of hidden states', () => {
    const rotated = (parts: object) => comparableOf({ recipe: { transforms: [{ kind: 'rotate', residual: false, heads: false, online: [], ...parts }], split: [] } });
    expect((['qkv', 'attention', 'gateUp'] as const).filter(rotated({ online: ['mlp.down'] }).edge)).toEqual(['qkv', 'attention']);
    expect((['qkv', 'attention', 'gateUp'] as const).filter(rotated({ heads: true }).edge)).toEqual(['gateUp']);
    expect((['attn.qkv', 'attn.o', 'mlp.down'] as const).filter(rotated({ online: ['attn.o'] }).input)).toEqual(['attn.qkv', 'mlp.down']);
    expect(() => rotated({ residual: true })).toThrow(expect.objectContaining({ code: 'unsupported_model', message: expect.stringContaining('"residual":true') }));
  });

  it('refuses steps that it does not know', () => expect(() => of('shuffle')).toThrow(expect.objectContaining({ code: 'unsupported_model', message: expect.stringContaining('"shuffle"') })));

  it('leaves small errors where numbers are compared, with rotations that hide some', async () => {
    const online = withOverrides(recipe('w8a8'), ['transforms.0={"kind":"rotate","residual":false,"heads":true,"online":["attn.o","mlp.down"]}']);
    const rotated = await createDecoder(await pack(tinyStore({ config: EVEN_SIZES }), online), open, { context: 128, kv: KV32, logitRows: PAGE });
    const exact = await createDecoder(await pack(tinyStore({ config: EVEN_SIZES }), 'f32'), open, { context: 128, kv: KV32, logitRows: PAGE });
    for (const { error, input } of (await layerErrors(exact, rotated, ids)).parts) expect(Math.max(error, input ?? 0)).toBeLessThan(0.03);
  });
});

describe('layersSvg()', () => {
  it('has a curve for each part and for the hidden state, inside the picture, with titles', async () => {
    const svg = layersSvg(await errorsOf('w4a8'), 'tiny <model>');
    expect(svg.match(/<polyline/g)).toHaveLength(6);
    expect(svg).toContain('tiny &#60;model&#62;');
    expect(svg).toMatch(/<title>mlp\.down, layer 1: [\d.e-]+ %<\/title>/);
    for (const [, y] of svg.matchAll(/ cy="([\d.]+)"/g)) expect(Number(y)).toBeGreaterThanOrEqual(69.9);
    expect(svg).not.toContain('NaN');
  });
});
