import { describe, expect, it } from 'vitest';
import { f16ToF32 } from '../../src/core/numeric.ts';
import { dequantise } from '../../src/formats/dequantise.ts';
import type { WeightFormat } from '../../src/formats/number-format.ts';
import type { ArrayRef, Linear, ModelImage, Piece } from '../../src/models/image.ts';
import { linearSpecs, vectorSizes } from '../../src/models/sites.ts';
import { linearArrays } from '../../src/models/size.ts';
import type { WeightStore } from '../../src/models/weights.ts';
import { choose } from '../../src/quantize/choices.ts';
import { withOverrides } from '../../src/quantize/overrides.ts';
import { parseRecipe } from '../../src/quantize/parse.ts';
import type { Recipe } from '../../src/quantize/recipe.ts';
import { RECIPE_NAMES, recipe } from '../../src/quantize/registry.ts';
import { quantize } from '../../src/quantize/run.ts';
import { nearest } from '../../src/quantize/rounding/nearest.ts';
import { floatsAt, imageBytes, intsAt, linearValues } from '../support/image.ts';
import { EVEN_SIZES, pack, storeFor } from '../support/pack.ts';
import { tinySamples } from '../support/samples.ts';
import { tinyStore, type TinyGrid } from '../support/tiny-model.ts';

/** Weights of a linear straight from the store, f32 [rows, cols]. */
async function sourceValues(store: WeightStore, tensors: readonly string[]): Promise<Float32Array> {
  const parts = await Promise.all(tensors.map((name) => store.tensor(name)).map((tensor) => tensor.read(0, tensor.rows)));
  return Float32Array.from(parts.flatMap((part) => [...part]));
}

const equal = (a: ArrayLike<number>, b: ArrayLike<number>): boolean => a.length === b.length && Array.prototype.every.call(a, (x, i) => Object.is(x, b[i]));
const at = (ref: ArrayRef): string => `${ref.bytes} @ ${ref.offset}`;
/** A linear as lines of text. */
const drawn = ([name, linear]: [string, Linear]): string[] => [
  `${name} [${linear.rows}, ${linear.cols}]${linear.rotate ? ' rotated' : ''}${linear.permute ? ` permuted by ${at(linear.permute)}` : ''}`,
  ...linear.segments.map((s) => [
    `  ${s.k.join('-')} ${JSON.stringify(s.weight)} ${JSON.stringify(s.act ?? null)} data ${at(s.data)}`,
    ...(s.rowScales ? [`rows ${at(s.rowScales)}`] : []), ...(s.actScales ? [`static ${at(s.actScales)}`] : []),
  ].join(' ')),
  ...(linear.branches ?? []).map(({ kind, ...branch }) => `  ${kind} ${Object.entries(branch).map(([key, value]) => `${key} ${typeof value === 'number' ? value : at(value)}`).join(' ')}`),
];

/** By seeded samples, in which about one channel in eight is large. */
async function chosen(store: WeightStore, by: Recipe): Promise<ModelImage> {
  const samples = tinySamples(store.config);
  return quantize(store, by, { samples, choices: await choose(store, by, samples) });
}

describe('quantize()', () => {
  for (const name of RECIPE_NAMES) {
    it(`lays ${name} out without gaps, every array aligned and inside the image`, async () => {
      const store = storeFor(name, name === 'keep' ? {} : { config: { ffn: 200 } }); // 200: with a tail
      const image = await pack(store, name);
      const { linears, vectors, bytes } = image.manifest;
      expect(Object.keys(linears)).toEqual(linearSpecs(store.config).map((spec) => spec.name));
      expect(Object.keys(vectors)).toEqual([...vectorSizes(store.config, image.manifest.kv).keys()]);
      const refs = [...Object.values(vectors), ...Object.values(linears).flatMap(linearArrays)];
      const ends = refs.toSorted((a, b) => a.offset - b.offset).reduce((end, ref) => {
        expect(ref.offset % 64).toBe(0);
        expect(ref.offset).toBeGreaterThanOrEqual(end);
        expect(ref.offset - end).toBeLessThan(64);
        return ref.offset + ref.bytes;
      }, 0);
      expect(bytes - ends).toBeLessThan(64);
      expect(image.bytes.length).toBe(bytes);
      expect([...Object.entries(linears).filter(([key]) => /layers\.1|output/.test(key)).flatMap(drawn), `${bytes} bytes`]).toMatchSnapshot();
    });
  }

  it('stores f32 weights and norms bit for bit, tied and untied', async () => {
    for (const tied of [true, false]) {
      const store = tinyStore({ config: { tied } });
      const image = quantize(store, recipe('f32'));
      const bytes = await imageBytes(image);
      for (const spec of linearSpecs(store.config)) {
        expect(equal(linearValues(bytes, image.manifest.linears[spec.name]!), await sourceValues(store, spec.tensors))).toBe(true);
      }
      for (const name of vectorSizes(store.config, image.manifest.kv).keys()) {
        expect(equal(floatsAt(bytes, image.manifest.vectors[name]!), await sourceValues(store, [name]))).toBe(true);
      }
    }
  });

  for (const grid of ['Q4_0', 'Q4_1', 'Q8_0'] as TinyGrid[]) {
    it(`keeps the values of a ${grid} source bit for bit`, async () => {
      const store = tinyStore({ grid: (name) => (name === 'embed' ? 'Q8_0' : grid), config: EVEN_SIZES });
      const image = quantize(store, recipe('keep'));
      const bytes = await imageBytes(image);
      for (const spec of linearSpecs(store.config)) {
        const [kept, source] = [linearValues(bytes, image.manifest.linears[spec.name]!), await sourceValues(store, spec.tensors)];
        expect(kept.every((value, i) => value === source[i])).toBe(true);
      }
    });

    it(`moves no value of a ${grid} source by more than a sixth of its step when scales and minima are rounded to two levels`, async () => {
      const bits = grid === 'Q8_0' ? 8 : 4;
      const store = tinyStore({ grid, config: EVEN_SIZES });
      const settings = [`weight={"bits":${bits},"block":32,"scale":"u8","zero":"min"}`, 'rounding=source', 'sites=[]'];
      const image = quantize(store, withOverrides(recipe('w4a8'), settings));
      const bytes = await imageBytes(image);
      const linear = image.manifest.linears['layers.0.attn.o']!;
      const source = await sourceValues(store, ['layers.0.attn.o']);
      const { scale } = await store.tensor('layers.0.attn.o').readGrid(0, 96);
      const step = scale.reduce((sum, h) => sum + Math.abs(f16ToF32(h)), 0) / scale.length;
      const values = linearValues(bytes, linear);
      const error = Math.sqrt(values.reduce((sum, value, i) => sum + (value - source[i]!) ** 2, 0) / values.length);
      expect(error).toBeLessThan(bits === 4 ? step / 6 / Math.sqrt(3) : step * 2);
      expect(error).toBeGreaterThan(0);
    });
  }

  it('refuses to keep a source without a grid, and a fused linear of two kinds, naming tensor and type', () => {
    expect(() => quantize(tinyStore(), recipe('keep'))).toThrow('Cannot keep the source\'s weights of "layers.0.attn.q": its type is F32, needed is Q4_0, Q4_1 or Q8_0');
    const mixed = tinyStore({ grid: (name) => (name.endsWith('attn.v') ? 'Q8_0' : 'Q4_1'), config: EVEN_SIZES });
    expect(() => quantize(mixed, recipe('keep'))).toThrow('weights of "layers.0.attn.v": its type is Q8_0');
  });

  it('needs samples of every permuted linear, the choices made from them, and layers for Hessians', async () => {
    const store = tinyStore();
    const all = tinySamples(store.config);
    expect(() => quantize(store, recipe('w4ax'))).toThrow('Cannot quantise with recipe "w4ax": no samples are given');
    const samples = new Map([...all].filter(([site]) => site !== 'layers.1.mlp.down'));
    await expect(choose(store, recipe('w4ax'), samples)).rejects.toThrow('there are no samples of layers.1.mlp.down');
    const choices = await choose(store, recipe('w4ax'), all);
    expect(() => quantize(store, recipe('w4ax'), { samples, choices })).toThrow('there are no samples of layers.1.mlp.down');
    expect(() => quantize(store, recipe('w4ax'), { samples: all })).toThrow('there is no order of layers.0.attn.qkv, needed are the choices made from its samples');
    expect(() => quantize(store, recipe('gptq'))).toThrow('Cannot quantise with recipe "gptq": its layers are not calibrated, needed are second moments of their inputs');
  });

  it('refuses weights that are not finite, naming the tensor', async () => {
    const store = tinyStore();
    const tensor = store.tensor('layers.0.attn.k');
    const read: typeof tensor.read = async (from, to) => (await tensor.read(from, to)).fill(NaN, 5, 6);
    const broken = { ...store, tensor: (name: string) => (name === tensor.name ? { ...tensor, read } : store.tensor(name)) };
    for (const name of ['f32', 'w4a8']) {
      await expect(imageBytes(quantize(broken, recipe(name)))).rejects.toThrow('Cannot quantise "layers.0.attn.k": it holds values that are not finite');
    }
  });

  it('stops at a signal', async () => {
    const pieces = [...(quantize(tinyStore(), recipe('w4a8')).pieces() as Iterable<Piece>)];
    const { bytes, fill } = pieces[0]!;
    await expect(fill(new Uint8Array(bytes), AbortSignal.abort())).rejects.toThrow(/abort/i);
  });
});

describe('quantize() with a permutation', () => {
  const store = tinyStore();
  const samples = tinySamples(store.config);
  const run = async (settings: string[]) => {
    const image = await chosen(store, withOverrides(recipe('w4ax'), settings));
    return { ...image.manifest, data: await imageBytes(image) };
  };

  it('moves the asked share of activation blocks to 8 bits, the short last one first of all', async () => {
    for (const [share, moved] of [[0, 0], [0.1, 1], [0.25, 2], [0.5, 4], [1, 7]] as const) {
      const { linears } = await run([`split.0.share=${share}`, 'act.block=32']);
      const down = linears['layers.0.mlp.down']!; // 200 channels: 6 blocks of 32 and one of 8
      const eight = down.segments.filter((s) => s.act?.bits === 8);
      expect(eight.reduce((sum, s) => sum + Math.ceil((s.k[1] - s.k[0]) / 32), 0)).toBe(moved);
      expect(down.segments.at(-1)!.k[1]).toBe(200);
      if (share > 0) expect(down.segments.at(-1)!.act).toEqual({ bits: 8, block: 32, clip: 1 });
    }
  });

  it('stores the columns of a gathered linear in its order, and its norm too', async () => {
    const { linears, vectors, data } = await run([]);
    for (const [name, tensors, norm] of [['attn.qkv', ['attn.q', 'attn.k', 'attn.v'], 'attn.norm'], ['attn.o', ['attn.o'], null]] as const) {
      const linear = linears[`layers.1.${name}`]!;
      const order = intsAt(data, linear.permute!);
      expect([...order].toSorted((a, b) => a - b)).toEqual([...order.keys()]);
      expect([...order]).not.toEqual([...order.keys()]);
      const source = await sourceValues(store, tensors.map((tensor) => `layers.1.${tensor}`));
      const permuted = Float32Array.from(source, (_, i) => source[i - (i % linear.cols) + order[i % linear.cols]!]!);
      const stored = linearValues(data, linear);
      for (const { k, weight } of linear.segments) {
        const columns = (values: Float32Array): Float32Array => values.filter((_, i) => i % linear.cols >= k[0] && i % linear.cols < k[1]);
        const { codes, rowScales } = nearest(columns(permuted), linear.rows, k[1] - k[0], weight as WeightFormat);
        expect(equal(columns(stored), dequantise(weight as WeightFormat, codes, rowScales))).toBe(true);
      }
      if (!norm) continue;
      const gamma = await sourceValues(store, [`layers.1.${norm}`]);
      expect(equal(floatsAt(data, vectors[`layers.1.${norm}`]!), Float32Array.from(order, (channel) => gamma[channel]!))).toBe(true);
    }
  });

  it('folds the order of mlp.down into the rows of gate and of up', async () => {
    const { linears, data } = await run(['weight.bits=8']);
    const [up, down] = [linears['layers.0.mlp.gate_up']!, linears['layers.0.mlp.down']!];
    expect(down.permute).toBeUndefined();
    const order = intsAt(data, up.permute!);
    const stored = linearValues(data, up);
    const [gate, lift, back] = [await sourceValues(store, ['layers.0.mlp.gate']), await sourceValues(store, ['layers.0.mlp.up']), await sourceValues(store, ['layers.0.mlp.down'])];
    const storedDown = linearValues(data, down);
    const distance = (a: (k: number) => number, b: (k: number) => number, count: number): number => Math.sqrt(Array.from({ length: count }, (_, k) => (a(k) - b(k)) ** 2).reduce((x, y) => x + y));
    const rowOf = (part: Float32Array, base: number, i: number): number[] =>
      [...Array(200).keys()].filter((row) => distance((k) => stored[(base + i) * 96 + k]!, (k) => part[row * 96 + order[k]!]!, 96) < 0.05);
    for (const i of [0, 7, 100, 199]) {
      const [from] = rowOf(gate, 0, i);
      expect(rowOf(gate, 0, i)).toEqual([from]);
      expect(rowOf(lift, 200, i)).toEqual([from]);
      expect(distance((row) => storedDown[row * 200 + i]!, (row) => back[row * 200 + from!]!, 96)).toBeLessThan(0.05);
    }
  });

  it('gives the same bytes whatever the order in which pieces are filled', async () => {
    const image = await chosen(store, recipe('w4ax'));
    const bytes = new Uint8Array(image.manifest.bytes);
    const pieces = [...(image.pieces() as Iterable<Piece>)];
    for (const piece of pieces.toReversed()) await piece.fill(bytes.subarray(piece.offset, piece.offset + piece.bytes));
    expect(equal(bytes, (await run([])).data)).toBe(true);
  });

  it('gives blocks with outliers to 8 bits', async () => {
    const { linears, data } = await run(['split.0.share=0.34', 'act.block=32']);
    const { permute, segments } = linears['layers.0.attn.o']!; // 96 channels: 3 blocks
    const energy = samples.get('layers.0.attn.o')!.meanSquare;
    const places = [...intsAt(data, permute!)].map((channel) => energy[channel]!);
    expect(segments.map((s) => s.k)).toEqual([[0, 64], [64, 96]]);
    expect(Math.max(...places.slice(0, 64))).toBeLessThan(Math.max(...places.slice(64)));
  });
});

describe('quantize() without reorder', () => {
  it('keeps blocks of neighbours together when only blocks are split', async () => {
    const store = tinyStore();
    const blocks = parseRecipe({ ...recipe('w4ax'), transforms: [], act: { bits: 4, block: 32, clip: 1 } });
    const image = await chosen(store, blocks);
    const order = intsAt(await imageBytes(image), image.manifest.linears['layers.0.attn.qkv']!.permute!);
    for (let block = 0; block < 3; block++) {
      const first = order[block * 32]!;
      expect(first % 32).toBe(0);
      expect([...order.subarray(block * 32, block * 32 + 32)]).toEqual([...Array(32).keys()].map((i) => first + i));
    }
  });
});
