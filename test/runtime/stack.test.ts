import { afterEach, describe, expect, it } from 'vitest';
import { KV32, KV4, type KvFormat } from '../../src/formats/number-format.ts';
import type { ModelImage } from '../../src/models/image.ts';
import { recipe } from '../../src/quantize/registry.ts';
import { quantize } from '../../src/quantize/run.ts';
import { createLayerStack, type Counts, type LayerStack } from '../../src/runtime/stack.ts';
import { threadHost } from '../../src/surfaces/adapters/node-threads.ts';
import { hiddenStates, layersOnly, oneLayer, openOwn, openShared, through } from '../support/layers.ts';
import { largestDifference, largestMagnitude } from '../support/logits.ts';
import { naiveAverages, naiveCross, naiveGram } from '../support/naive-moments.ts';
import { stripsTypes } from '../support/node.ts';
import { tinyStore, TINY_CONFIG } from '../support/tiny-model.ts';

const TOKENS = 150;
const ids = Array.from({ length: TOKENS }, (_, i) => (i * 89 + 7) % 260);
const store = tinyStore({ config: { context: 512 } });
const [f32, w4a8] = [quantize(store, recipe('f32')), quantize(store, recipe('w4a8'))];
const { hidden, headDim, heads, kvHeads } = TINY_CONFIG;

let made: LayerStack[] = [];
afterEach(async () => {
  await Promise.all(made.map((stack) => stack.dispose()));
  made = [];
});

interface Options { kv?: KvFormat; threads?: number; attention?: boolean; drift?: boolean }

async function stackOf(image: ModelImage, { kv = KV32, threads = 1, attention, drift = false }: Options = {}): Promise<LayerStack> {
  const moments = attention === undefined ? undefined : { attention, drift };
  const stack = await createLayerStack(image, threads === 1 ? openOwn : openShared, { context: TOKENS, kv, threads, host: threadHost, moments });
  made.push(stack);
  return stack;
}

describe('LayerStack', () => {
  it.each([['f32', f32, KV32], ['w4a8', w4a8, KV4]] as const)('leaves the hidden states of the decoder: %s', async (_, image, kv) => {
    const states = await hiddenStates(image, ids, kv);
    const all = await stackOf(layersOnly(image), { kv });
    expect(through(all, states[0]!)).toEqual(states[2]);
    const single = await stackOf(await oneLayer(image, 0), { kv });
    const rows = states[0]!.slice();
    single.run(rows, rows);
    expect(rows).toEqual(states[1]);
    await single.refill(await oneLayer(image, 1));
    expect(through(single, rows)).toEqual(states[2]);
  });

  it('gives the same for a sequence at once, in pieces, and after another sequence', async () => {
    const stack = await stackOf(await oneLayer(w4a8, 1), { kv: KV4 });
    const [rows] = await hiddenStates(w4a8, ids, KV4);
    const whole = through(stack, rows!);
    stack.reset();
    const pieces = [0, 1, 4, 70, 71, TOKENS].map((t) => t * hidden);
    const out = new Float32Array(rows!.length);
    for (let i = 1; i < pieces.length; i++) stack.run(rows!.subarray(pieces[i - 1], pieces[i]), out.subarray(pieces[i - 1], pieces[i]));
    expect(out).toEqual(whole);
  });

  it('refuses rows that are none, more than the context, other layouts, and any after its end', async () => {
    const stack = await stackOf(await oneLayer(f32, 0));
    const invalid = expect.objectContaining({ code: 'invalid_argument' });
    expect(() => through(stack, new Float32Array(hidden + 1))).toThrow(invalid);
    expect(() => stack.run(new Float32Array(hidden), new Float32Array(2 * hidden))).toThrow(invalid);
    expect(() => through(stack, new Float32Array((TOKENS + 1) * hidden))).toThrow(expect.objectContaining({ code: 'context_overflow' }));
    await expect(stack.refill(await oneLayer(w4a8, 0))).rejects.toEqual(invalid);
    await stack.dispose();
    expect(() => through(stack, new Float32Array(hidden))).toThrow(expect.objectContaining({ code: 'disposed' }));
  });
});

/** Inputs of a site, token by token, while `run` goes on. */
function rowsOf(stack: LayerStack, site: string, run: () => void): Float32Array[] {
  const seen: Float32Array[] = [];
  stack.tap = (name, rows, tokens, stride, cols) => {
    for (let t = 0; name === site && t < tokens; t++) seen.push(rows.slice(t * stride, t * stride + cols));
  };
  run();
  stack.tap = null;
  return seen;
}

describe('Moments', () => {
  const SITES = ['attn.qkv', 'attn.o', 'mlp.gate_up', 'mlp.down'] as const;

  it('sum up x x^T of each input, without the tokens that do not count, and only while they count', async () => {
    const [rows] = await hiddenStates(f32, ids);
    const stack = await stackOf(await oneLayer(f32, 0), { attention: false });
    for (const site of SITES) {
      for (const from of [0, 5, 70]) {
        stack.moments!.clear();
        const inputs = rowsOf(stack, `layers.0.${site}`, () => {
          stack.reset();
          stack.run(rows!, null, { from });
          stack.reset();
          stack.run(rows!.subarray(0, 3 * hidden), null);
        }).slice(from, TOKENS);
        const want = Float32Array.from(naiveGram(inputs, inputs[0]!.length));
        const got = stack.moments!.inputs(`layers.0.${site}`)!;
        // Each term and each of TOKENS sums is rounded once.
        expect(largestDifference(got, want), `${site} from ${from}`).toBeLessThan(TOKENS * 2 ** -24 * largestMagnitude(want));
        expect(stack.moments!.averages(0)).toBeNull();
      }
    }
  });

  it('sum up a a^T of what the queries of a KV head average, of the pages and tokens that count', async () => {
    const [rows] = await hiddenStates(f32, ids);
    const stack = await stackOf(await oneLayer(f32, 0), { attention: true });
    expect(hidden % headDim).toBe(0);
    const group = heads / kvHeads;
    const cases: [Counts, (t: number) => boolean][] = [
      [{ from: 0, attention: () => true }, () => true],
      [{ from: 3, attention: (page) => page !== 1 }, (t) => t >= 3 && (t < 64 || t >= 128)],
    ];
    for (const [counts, counted] of cases) {
      stack.moments!.clear();
      stack.reset();
      const x = rowsOf(stack, 'layers.0.attn.qkv', () => stack.run(rows!, null, counts));
      const averages = await naiveAverages(store, 0, x);
      averages.forEach((all, head) => {
        const want = Float32Array.from(naiveGram(all.filter((_, i) => counted(Math.floor(i / group))), hidden));
        // Scores are rounded too: their error, some headDim units in the last place of numbers up to 10, enters as a factor.
        expect(largestDifference(stack.moments!.averages(0)![head]!, want)).toBeLessThan((TOKENS + 10 * headDim) * 2 ** -24 * largestMagnitude(want));
      });
    }
  });

  it.each([1, 2])('sum up what the inputs of another run of the same tokens exceed these by, in blocks of any size: %d threads', async (threads) => {
    if (threads > 1 && !stripsTypes) return;
    const [rows] = await hiddenStates(f32, ids);
    const other = rows!.map((x, i) => x * (1 + 0.1 * Math.sin(i)));
    const plain = await stackOf(await oneLayer(f32, 0));
    const inputs = (states: Float32Array, site: string): Float32Array[] => rowsOf(plain, `layers.0.${site}`, () => {
      plain.reset();
      plain.run(states, null);
    });
    plain.reset();
    const wantOut = through(plain, other);
    const stack = await stackOf(await oneLayer(f32, 0), { threads, attention: true, drift: true });
    const averages = await stackOf(await oneLayer(f32, 0), { attention: true });
    const counts = { from: 2, attention: () => true };
    averages.run(rows!, null, counts);
    for (const sizes of [[TOKENS], [1, 4, 60, 20, 65], [3, 147]]) {
      stack.reset();
      stack.moments!.clear();
      const out = new Float32Array(rows!.length);
      let at = 0;
      for (const size of sizes) {
        const to = at + size * hidden;
        stack.run(rows!.subarray(at, to), null, counts, { rows: other.subarray(at, to), out: out.subarray(at, to) });
        at = to;
      }
      expect(out).toEqual(wantOut);
      for (const site of SITES) {
        const name = `layers.0.${site}`;
        const [own, exact] = [inputs(rows!, site).slice(2), inputs(other, site).slice(2)];
        const cols = own[0]!.length;
        const want = naiveCross(exact.map((row, t) => row.map((x, k) => x - own[t]![k]!)), own, cols);
        const scale = largestMagnitude(Float32Array.from(naiveGram(own, cols)));
        expect(largestDifference(stack.moments!.drift(name)!, Float32Array.from(want)), `${site} by ${sizes.join()}`).toBeLessThan(TOKENS * 2 ** -24 * scale);
        expect(largestMagnitude(Float32Array.from(want))).toBeGreaterThan(1e-3 * scale);
        if (sizes.length === 1) expect(stack.moments!.inputs(name)).toEqual(averages.moments!.inputs(name));
      }
      if (sizes.length === 1) expect(stack.moments!.averages(0)).toEqual(averages.moments!.averages(0));
    }
  });

  it('compare only where there is memory for it, and rows with as many', async () => {
    const rows = new Float32Array(2 * hidden);
    const invalid = expect.objectContaining({ code: 'invalid_argument' });
    const [without, stack] = [await stackOf(await oneLayer(f32, 0), { attention: false }), await stackOf(await oneLayer(f32, 0), { attention: false, drift: true })];
    expect(() => without.run(rows, null, { from: 0 }, { rows, out: rows })).toThrow(invalid);
    expect(() => stack.run(rows, null, { from: 0 }, { rows: rows.subarray(hidden), out: rows })).toThrow(invalid);
    expect(without.moments!.drift('layers.0.attn.o')).toBeNull();
  });

  it('leave results alone, whether they count or not', async () => {
    const [rows] = await hiddenStates(f32, ids);
    const plain = through(await stackOf(await oneLayer(f32, 0)), rows!);
    for (const counts of [null, { from: 0 }, { from: 0, attention: () => true }]) {
      const stack = await stackOf(await oneLayer(f32, 0), { attention: true });
      expect(through(stack, rows!, counts)).toEqual(plain);
    }
  });

  it('are not there for averages where heads do not divide hidden states, nor for inputs that are codes', async () => {
    const odd = quantize(tinyStore({ config: { headDim: 28 } }), recipe('f32'));
    expect((await stackOf(await oneLayer(odd, 0), { attention: true })).moments!.averages(0)).toBeNull();
    expect((await stackOf(await oneLayer(w4a8, 0), { attention: false })).moments!.inputs('layers.0.attn.o')).toBeNull();
  });
});

describe.skipIf(!stripsTypes)('LayerStack on threads', { timeout: 60_000 }, () => {
  it('gives the bytes of one thread, moments included', async () => {
    const states = await hiddenStates(f32, ids);
    const results = async (threads: number): Promise<unknown> => {
      const stack = await stackOf(await oneLayer(f32, 0), { threads, attention: true });
      const counts = { from: 1, attention: (page: number): boolean => page !== 1 };
      const first = through(stack, states[0]!, counts);
      stack.reset();
      stack.run(states[0]!.subarray(0, 3 * hidden), null, counts);
      const moments = [stack.moments!.inputs('layers.0.mlp.down'), stack.moments!.averages(0)];
      await stack.refill(await oneLayer(f32, 1));
      return { first, moments, second: through(stack, first) };
    };
    const want = await results(1);
    for (const threads of [2, 3]) expect(await results(threads)).toEqual(want);
  });
});
