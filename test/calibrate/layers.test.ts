import { afterEach, describe, expect, it } from 'vitest';
import { layerImage, readLayer } from '../../src/calibrate/layer-image.ts';
import type { LinearMoments } from '../../src/calibrate/layer-moments.ts';
import { LayerCalibration, type LayerOptions } from '../../src/calibrate/layers.ts';
import type { WorkStore } from '../../src/calibrate/work.ts';
import { Stopwatch } from '../../src/core/stopwatch.ts';
import { KV32, KV8, type KvFormat } from '../../src/formats/number-format.ts';
import { recipe } from '../../src/quantize/registry.ts';
import { quantize } from '../../src/quantize/run.ts';
import { threadHost } from '../../src/surfaces/adapters/node-threads.ts';
import { createLayerStack } from '../../src/runtime/stack.ts';
import { hiddenStates, openOwn, openShared, through } from '../support/layers.ts';
import { naiveCross, naiveGram } from '../support/naive-moments.ts';
import { stripsTypes } from '../support/node.ts';
import { largestDifference, largestMagnitude } from '../support/logits.ts';
import { tinyStore } from '../support/tiny-model.ts';

const store = tinyStore({ config: { layers: 3 } });
const { hidden, kvHeads, headDim } = store.config;
const source = quantize(store, recipe('f32'));
const target = quantize(store, recipe('w4a8'));
const packedLayers = await Promise.all([0, 1, 2].map((layer) => readLayer(target, layer)));
const sequences = [70, 64, 20].map((length, s) => Array.from({ length }, (_, i) => (i * 89 + 7 + 31 * s) % 260));
const base: LayerOptions = { store, source, packed: target.manifest, sequences, inputs: 'quantised', open: openOwn, watch: new Stopwatch(() => 0) };

let made: LayerCalibration[] = [];
afterEach(async () => {
  await Promise.all(made.map((calibration) => calibration.dispose()));
  made = [];
});

async function begin(options: Partial<LayerOptions> = {}): Promise<LayerCalibration> {
  const calibration = await LayerCalibration.begin({ ...base, ...options });
  made.push(calibration);
  return calibration;
}

type Moments = ReadonlyMap<string, LinearMoments>;

/** A quantiser whose bytes depend on the moments: the layer of `w4a8`, its first norm value replaced. Stops before layer `stop`. */
async function pack(calibration: LayerCalibration, stop = 3): Promise<{ bytes: Uint8Array[]; moments: (Moments | null)[] }> {
  const bytes: Uint8Array[] = [];
  const moments: (Moments | null)[] = [];
  for (let layer = 0; layer < stop; layer++) {
    const saved = await calibration.saved(layer);
    const seen = saved ? null : await calibration.hessians(layer);
    const own = saved ?? packedLayers[layer]!.slice();
    const { input, drift } = seen?.get(`layers.${layer}.mlp.down`) ?? {};
    if (input) new Float32Array(own.buffer, 0, 1)[0] = 1 + 0.1 * input[0]! + 10 * (drift?.[1] ?? 0);
    await calibration.packed(layer, own);
    bytes.push(own.slice());
    moments.push(seen);
  }
  return { bytes, moments };
}

function memoryStore(): WorkStore & { readonly files: Map<string, Uint8Array> } {
  const files = new Map<string, Uint8Array>();
  return { files, load: async (name) => files.get(name) ?? null, save: async (name, bytes) => void files.set(name, bytes.slice()) };
}

/** Inputs of a site, from states that enter a layer, sequence by sequence. */
async function inputsOf(layer: number, site: string, states: readonly Float32Array[], skip: number): Promise<Float32Array[]> {
  const rows: Float32Array[] = [];
  for (const own of states) {
    const image = layerImage(source.manifest, layer, await readLayer(source, layer));
    await using stack = await createLayerStack(image, openOwn, { context: 80, kv: KV32 });
    let position = 0;
    stack.tap = (name, values, tokens, stride, cols) => {
      if (name !== `layers.0.${site}`) return;
      for (let t = 0; t < tokens; t++) if (position++ >= skip) rows.push(values.slice(t * stride, t * stride + cols));
    };
    stack.run(own, null);
  }
  return rows;
}

/** Their mean moments. */
async function wanted(...of: Parameters<typeof inputsOf>): Promise<Float32Array> {
  const rows = await inputsOf(...of);
  return Float32Array.from(naiveGram(rows, rows[0]!.length), (sum) => sum / rows.length);
}

/** States of all sequences that have gone through packed layers. */
async function afterPacked(bytes: readonly Uint8Array[], kv: KvFormat): Promise<Float32Array[]> {
  const states = await Promise.all(sequences.map((ids) => hiddenStates(source, ids).then(([first]) => first!)));
  for (const [layer, own] of bytes.entries()) {
    for (const [s, rows] of states.entries()) {
      await using stack = await createLayerStack(layerImage(target.manifest, layer, own), openOwn, { context: 80, kv });
      states[s] = through(stack, rows);
    }
  }
  return states;
}

describe('LayerCalibration', () => {
  it('gives mean moments of inputs that have gone through the f32 layers before', async () => {
    const { moments } = await pack(await begin({ inputs: 'exact', skip: 2 }));
    const states = await Promise.all(sequences.map((ids) => hiddenStates(source, ids)));
    for (const layer of [0, 2]) {
      for (const [name, { input, values }] of moments[layer]!) {
        const want = await wanted(layer, name.replace(`layers.${layer}.`, ''), states.map((own) => own[layer]!), 2);
        expect(largestDifference(input, want), name).toBeLessThan(200 * 2 ** -24 * largestMagnitude(want));
        expect(values).toBeNull();
      }
      expect([...moments[layer]!.keys()]).toEqual(['attn.qkv', 'attn.o', 'mlp.gate_up', 'mlp.down'].map((site) => `layers.${layer}.${site}`));
    }
  });

  it.each([['f32', KV32], ['8-bit', KV8]] as const)('gives those of inputs that have gone through the packed layers before, with their %s cache', async (_, kv) => {
    const calibration = await begin({ kv });
    const { bytes, moments } = await pack(calibration);
    const states = await afterPacked(bytes.slice(0, 2), kv);
    const want = await wanted(2, 'attn.o', states, 0);
    expect(largestDifference(moments[2]!.get('layers.2.attn.o')!.input, want)).toBeLessThan(200 * 2 ** -24 * largestMagnitude(want));
  });

  it('says what inputs after packed layers differ by from those of the f32 model', async () => {
    const { bytes, moments } = await pack(await begin({ kv: KV8, drift: true, skip: 1 }));
    expect(largestMagnitude(moments[0]!.get('layers.0.attn.o')!.drift!)).toBe(0);
    const [own, exact] = [await afterPacked(bytes.slice(0, 2), KV8), await Promise.all(sequences.map((ids) => hiddenStates(source, ids).then((all) => all[2]!)))];
    for (const site of ['attn.o', 'mlp.down']) {
      const [x, wantX] = [await inputsOf(2, site, own, 1), await inputsOf(2, site, exact, 1)];
      const want = Float32Array.from(naiveCross(wantX.map((row, t) => row.map((value, k) => value - x[t]![k]!)), x, x[0]!.length), (sum) => sum / x.length);
      const { input, drift } = moments[2]!.get(`layers.2.${site}`)!;
      expect(largestDifference(drift!, want)).toBeLessThan(200 * 2 ** -24 * largestMagnitude(input));
      expect(largestMagnitude(want)).toBeGreaterThan(1e-4 * largestMagnitude(input));
    }
  });

  it('finds no drift where the packed layers are those of the f32 model', async () => {
    const calibration = await begin({ packed: source.manifest, drift: true });
    for (let layer = 0; layer < 3; layer++) {
      for (const [name, { drift }] of await calibration.hessians(layer)) expect(largestMagnitude(drift!), name).toBe(0);
      await calibration.packed(layer, await readLayer(source, layer));
    }
  });

  it('takes averages of one block in so many, of other pages in each sequence, as means over queries', async () => {
    const all = await pack(await begin({ averages: { every: 1 } }), 1);
    const half = await pack(await begin({ averages: { every: 2 } }), 1);
    const [whole, part] = [all, half].map(({ moments }) => moments[0]!.get('layers.0.attn.qkv')!.values!);
    expect(whole!.headDim).toBe(headDim);
    expect(whole!.matrices.map(({ length }) => length)).toEqual(Array.from({ length: kvHeads }, () => hidden * hidden));
    const trace = (matrix: Float32Array): number => matrix.reduce((sum, value, i) => (i % (hidden + 1) === 0 ? sum + value : sum), 0);
    for (let head = 0; head < kvHeads; head++) {
      expect(part!.matrices[head]).not.toEqual(whole!.matrices[head]);
      expect(trace(part!.matrices[head]!) / trace(whole!.matrices[head]!)).toBeCloseTo(1, 0);
    }
    expect(half.moments[0]!.get('layers.0.mlp.down')).toEqual(all.moments[0]!.get('layers.0.mlp.down'));
  });

  it('begins with rotated embeddings where the model is rotated', async () => {
    const rotated = { ...source, manifest: { ...source.manifest, rotated: true as const } };
    const { moments } = await pack(await begin({ source: rotated }), 1);
    const plain = await pack(await begin(), 1);
    const at = 'layers.0.attn.qkv';
    expect(moments[0]!.get(at)).not.toEqual(plain.moments[0]!.get(at));
    const trace = (seen: Moments): number => seen.get(at)!.input.reduce((sum, value, i) => (i % (hidden + 1) === 0 ? sum + value : sum), 0);
    expect(trace(moments[0]!) / trace(plain.moments[0]!)).toBeCloseTo(1, 1); // normed: gammas are about 1
  });

  it('reports tokens times layers, and where the time went', async () => {
    let clock = 0;
    const watch = new Stopwatch(() => (clock += 1000));
    const seen: number[] = [];
    const calibration = await begin({
      watch,
      onProgress: ({ stage, loaded, total }) => {
        expect([stage, total]).toEqual(['calibrate', 3 * 154]);
        seen.push(loaded);
      },
    });
    await pack(calibration);
    expect(seen).toEqual([70, 134, 154, 224, 288, 308, 378, 442, 462]);
    expect(watch.timings).toMatchObject({ moments: 3, advance: 2, read: 4 });
  });

  it('stops when it is told to, and then does not go on', async () => {
    const control = new AbortController();
    const calibration = await begin({ inputs: 'exact', signal: control.signal, onProgress: () => control.abort(new Error('enough')) });
    await expect(calibration.hessians(0)).rejects.toThrow('enough');
    await expect(calibration.hessians(0)).rejects.toThrow(RangeError);
  });

  it('names the site whose activations are not finite', async () => {
    const tensor = store.tensor('embed');
    const broken = { ...store, tensor: () => ({ ...tensor, read: async (from: number, to: number) => (await tensor.read(from, to)).fill(NaN) }) };
    const calibration = await begin({ store: broken });
    await expect(calibration.hessians(0)).rejects.toMatchObject({ code: 'invalid_argument', message: expect.stringContaining('layers.0.attn.qkv') });
  });
});

describe('LayerCalibration that keeps its work', () => {
  const short = { sequences: sequences.slice(2) };

  const KINDS = [['quantised', false], ['exact', false], ['quantised', true]] as const;

  it.each(KINDS)('goes on where it was interrupted, with the same bytes: %s, drift %s', async (inputs, drift) => {
    const options = { ...short, inputs, drift, averages: { every: 1 } };
    const whole = await pack(await begin(options));
    for (const stop of [1, 2, 3]) {
      const work = { store: memoryStore(), key: 'abc' };
      await pack(await begin({ ...options, work }), stop);
      const again = await pack(await begin({ ...options, work }));
      expect(again.bytes).toEqual(whole.bytes);
      expect(again.moments.map((seen) => seen !== null)).toEqual([0, 1, 2].map((layer) => layer >= stop));
      for (let layer = stop; layer < 3; layer++) expect(again.moments[layer]).toEqual(whole.moments[layer]);
    }
  });

  it.each(KINDS)('does over what is damaged, lost or another work\'s, with the same bytes: %s, drift %s', async (inputs, drift) => {
    const options = { ...short, inputs, drift };
    const whole = await pack(await begin(options));
    const damage: Record<string, (files: Map<string, Uint8Array>) => void> = {
      states: (files) => void (files.get('abc-states')![200]! ^= 1),
      'lost states': (files) => void files.delete('abc-states'),
      'first layer': (files) => void (files.get('abc-layer-0')![300]! ^= 1),
      'lost layer': (files) => void files.delete('abc-layer-1'),
      'short layer': (files) => void files.set('abc-layer-1', files.get('abc-layer-1')!.slice(0, -1)),
      'another layer': (files) => void files.set('abc-layer-0', files.get('abc-layer-1')!),
      empty: (files) => void files.set('abc-layer-1', new Uint8Array()),
      'of another work': (files) => files.forEach((bytes) => bytes.set(new TextEncoder().encode('tetrad xyz'))),
    };
    for (const [what, spoil] of Object.entries(damage)) {
      const work = { store: memoryStore(), key: 'abc' };
      await pack(await begin({ ...options, work }), 2);
      spoil(work.store.files);
      expect((await pack(await begin({ ...options, work }))).bytes, what).toEqual(whole.bytes);
    }
  });

  it('keeps nothing but layers and one set of states', async () => {
    const work = { store: memoryStore(), key: 'abc' };
    await pack(await begin({ ...short, work }));
    expect([...work.store.files.keys()].sort()).toEqual(['abc-layer-0', 'abc-layer-1', 'abc-layer-2', 'abc-states']);
  });
});

describe.skipIf(!stripsTypes)('LayerCalibration on threads', { timeout: 60_000 }, () => {
  it('gives the bytes of one thread', async () => {
    const options = { averages: { every: 2 }, skip: 1, drift: true };
    const one = await pack(await begin(options));
    expect(await pack(await begin({ ...options, open: openShared, threads: 2, host: threadHost }))).toEqual(one);
  });
});
