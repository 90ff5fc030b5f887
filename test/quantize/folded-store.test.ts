import { describe, expect, it } from 'vitest';
import { hadamard } from '../../src/core/hadamard.ts';
import type { WeightStore } from '../../src/models/weights.ts';
import { foldStore } from '../../src/quantize/folded-store.ts';
import type { Fold } from '../../src/quantize/folds.ts';
import { tinyStore, uniform } from '../support/tiny-model.ts';

const CONFIG = { ffn: 192 };
const DOWN = 'layers.0.mlp.down'; // [96, 192]
const [ROWS, COLS] = [96, 192];

const all = async (store: WeightStore, name: string): Promise<Float32Array> => store.tensor(name).read(0, store.tensor(name).rows);
const positive = (length: number, seed: number): Float64Array => {
  const next = uniform(seed);
  return Float64Array.from({ length }, () => 0.5 + next());
};

/** A matrix [rows, cols] entry by entry. */
type Matrix = (row: number, col: number) => number;

/** Entries of the Sylvester matrix of 2^n: the sign is the parity of the bits that both indices have. */
const sylvester = (i: number, j: number): number => (((i & j).toString(2).match(/1/g)?.length ?? 0) % 2 === 0 ? 1 : -1);

/** The Hadamard matrix of a width by its definition: M (x) Sylvester. */
const dense = (width: number): Matrix => {
  const { order, matrix } = hadamard(width)!;
  const run = width / order;
  return (i, j) => matrix[Math.floor(i / run) * order + Math.floor(j / run)]! * sylvester(i % run, j % run);
};

const repeated = (width: number): Matrix => {
  const inner = dense(width);
  return (i, j) => (Math.floor(i / width) === Math.floor(j / width) ? inner(i % width, j % width) : 0);
};

const product = (a: Matrix, b: Matrix, inner: number): Matrix => (i, j) => {
  let sum = 0;
  for (let k = 0; k < inner; k++) sum += a(i, k) * b(k, j);
  return sum;
};

const tabulated = (m: Matrix, rows: number, cols: number): Matrix => {
  const values = Float64Array.from({ length: rows * cols }, (_, i) => m(Math.floor(i / cols), i % cols));
  return (i, j) => values[i * cols + j]!;
};

function worst(found: Float32Array, wanted: Matrix): number {
  return found.reduce((most, value, i) => Math.max(most, Math.abs(value - wanted(Math.floor(i / COLS), i % COLS))), 0);
}

describe('foldStore()', () => {
  it('reads scaled, ordered and rotated matrices as plain matrix products give them', async () => {
    const store = tinyStore({ config: CONFIG });
    const source = await all(store, DOWN);
    const [c, r] = [positive(COLS, 1), positive(ROWS, 2)];
    const order = Int32Array.from({ length: ROWS }, (_, row) => (row * 5) % ROWS);
    const folds: Fold[] = [
      { kind: 'scale', axis: 'columns', factors: c }, { kind: 'rotate', axis: 'columns', by: hadamard(COLS)! },
      { kind: 'order', order }, { kind: 'scale', axis: 'rows', factors: r }, { kind: 'rotate', axis: 'rows', by: hadamard(24)! },
    ];
    const h = dense(COLS);
    const scaled: Matrix = (i, j) => r[i]! * source[order[i]! * COLS + j]! * c[j]!;
    const right = tabulated(product(tabulated(scaled, ROWS, COLS), (i, j) => h(j, i), COLS), ROWS, COLS);
    const wanted = tabulated(product(repeated(24), right, ROWS), ROWS, COLS);
    const found = await all(foldStore(store, new Map([[DOWN, folds]])), DOWN);
    expect(worst(found, wanted)).toBeLessThan(1e-6);
    expect(worst(source, wanted)).toBeGreaterThan(0.1);
  });

  it('gives the same bytes for a range of rows as for all of them, whether rows mix or not', async () => {
    const columns: Fold[] = [{ kind: 'scale', axis: 'rows', factors: positive(ROWS, 3) }, { kind: 'rotate', axis: 'columns', by: hadamard(COLS)! }];
    for (const folds of [columns, [...columns, { kind: 'rotate', axis: 'rows', by: hadamard(ROWS)! } as const]]) {
      const store = foldStore(tinyStore({ config: CONFIG }), new Map([[DOWN, folds]]));
      const whole = await all(store, DOWN);
      expect(await store.tensor(DOWN).read(17, 40)).toEqual(whole.slice(17 * COLS, 40 * COLS));
      expect(await store.tensor(DOWN).read(95, 96)).toEqual(whole.slice(95 * COLS));
    }
  });

  it('reads only the rows asked for where rows do not mix', async () => {
    const reads: [number, number][] = [];
    const inner = tinyStore({ config: CONFIG });
    const spied: WeightStore = {
      ...inner,
      tensor: (name) => {
        const tensor = inner.tensor(name);
        return { ...tensor, read: (from, to, signal) => (reads.push([from, to]), tensor.read(from, to, signal)) };
      },
    };
    const flips: Fold = { kind: 'scale', axis: 'columns', factors: positive(96, 4) };
    await foldStore(spied, new Map([['embed', [flips]]])).tensor('embed').read(3, 5);
    expect(reads).toEqual([[3, 5]]);
  });

  it('rounds once: a view of a view that undoes a division by three gives the bytes of the source', async () => {
    const store = tinyStore({ config: CONFIG });
    const third: Fold = { kind: 'scale', axis: 'columns', factors: new Float64Array(COLS).fill(1 / 3) };
    const triple: Fold = { kind: 'scale', axis: 'columns', factors: new Float64Array(COLS).fill(3) };
    const view = foldStore(foldStore(store, new Map([[DOWN, [third]]])), new Map([[DOWN, [triple]]]));
    expect(await all(view, DOWN)).toEqual(await all(store, DOWN));
  });

  it('shows no grid of a folded tensor and passes everything else through', async () => {
    const store = tinyStore({ config: CONFIG, grid: 'Q8_0' });
    const view = foldStore(store, new Map([['layers.0.attn.norm', [{ kind: 'ones' }]], [DOWN, [{ kind: 'scale', axis: 'rows', factors: positive(ROWS, 5) }]]]));
    expect(view.tensor(DOWN)).toMatchObject({ name: DOWN, rows: ROWS, cols: COLS, type: 'Q8_0', grid: null });
    await expect(view.tensor(DOWN).readGrid(0, 1)).rejects.toMatchObject({ code: 'unsupported_type', message: expect.stringContaining(DOWN) });
    expect(view.tensor('layers.1.mlp.down')).toBe(store.tensor('layers.1.mlp.down'));
    expect(await all(view, 'layers.0.attn.norm')).toEqual(new Float32Array(96).fill(1));
    expect([view.config, view.tokenizer, view.provenance]).toEqual([store.config, store.tokenizer, store.provenance]);
    expect([view.has('embed'), view.has('output')]).toEqual([true, false]);
    expect(() => view.tensor('output')).toThrow(/missing/);
  });
});
