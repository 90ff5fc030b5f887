import { expect, it } from 'vitest';
import { hessianRanges } from '../../src/quantize/hessians.ts';
import { linearSpecs } from '../../src/models/sites.ts';
import { TINY_CONFIG } from '../support/tiny-model.ts';

const config = { ...TINY_CONFIG, headDim: 16 };
const spec = linearSpecs(config).find(({ site }) => site === 'attn.qkv')!;
const { hidden, kvHeads, headDim } = config;
const matrix = (seed: number): Float32Array => Float32Array.from({ length: hidden * hidden }, (_, i) => i * 7 + seed);
const order = Int32Array.from({ length: hidden }, (_, i) => (i * 5 + 3) % hidden);

it('hessianRanges() puts rows and columns of Hessians and of drift in the order of the channels', () => {
  const [input, drift] = [matrix(1), matrix(2)];
  const [range, ...rest] = hessianRanges(spec, { input, drift, values: null }, order);
  expect(rest).toEqual([]);
  expect(range!.rows).toEqual([0, spec.rows]);
  for (const [of, plain] of [[range!.hessian!, input], [range!.drift!, drift]] as const) {
    for (let i = 0; i < hidden; i += 7) for (let j = 0; j < hidden; j++) expect(of[i * hidden + j]).toBe(plain[order[i]! * hidden + order[j]!]);
  }
});

it('hessianRanges() gives values their own Hessians, and no drift', () => {
  const matrices = Array.from({ length: kvHeads }, (_, head) => matrix(10 + head));
  const [first, ...values] = hessianRanges(spec, { input: matrix(1), drift: matrix(2), values: { headDim, matrices } }, null);
  expect(first).toEqual({ rows: [0, spec.rows - kvHeads * headDim], hessian: matrix(1), drift: matrix(2) });
  expect(values).toEqual(matrices.map((hessian, head) => ({ rows: [first!.rows[1] + head * headDim, first!.rows[1] + (head + 1) * headDim], hessian, drift: null })));
});

it('hessianRanges() has one range where there are no moments, and no drift where none was asked for', () => {
  expect(hessianRanges(spec, null, order)).toEqual([{ rows: [0, spec.rows], hessian: null, drift: null }]);
  expect(hessianRanges(spec, { input: matrix(1), drift: null, values: null }, order)[0]!.drift).toBeNull();
});
