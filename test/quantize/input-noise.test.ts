import { expect, it } from 'vitest';
import type { Segment } from '../../src/models/image.ts';
import { hessianRanges } from '../../src/quantize/hessians.ts';
import { inputNoise } from '../../src/quantize/steps/input-noise.ts';
import { linearSpecs } from '../../src/models/sites.ts';
import { samplesOfRows } from '../support/samples.ts';
import { TINY_CONFIG, uniform } from '../support/tiny-model.ts';

const COLS = 96;
const next = uniform(3);
const rows = Float32Array.from({ length: 400 * COLS }, () => 2 * next() - 1);
const data = { offset: 0, bytes: 1 };
const weight = { bits: 4, block: 32, scale: 'u8', zero: 'min' } as const;
const segments: Segment[] = [
  { k: [0, 64], weight, act: { bits: 4, block: 32, clip: 1 }, data }, { k: [64, 80], weight, act: { bits: 8, block: 32, clip: 1 }, data }, { k: [80, 96], weight: { bits: 16 }, data },
];
const order = Int32Array.from({ length: COLS }, (_, k) => COLS - 1 - k);

it('inputNoise() is a twelfth of the squared step where values are spread evenly, and 0 where inputs stay numbers', () => {
  const noise = inputNoise(samplesOfRows(rows, COLS), segments, order);
  const step = (places: Float64Array): number => Math.sqrt(12 * (places.reduce((sum, x) => sum + x, 0) / places.length));
  expect(step(noise.subarray(0, 64))).toBeCloseTo(0.97 / 7, 2); // the largest of 32 such values is about 0.97
  expect(step(noise.subarray(64, 80))).toBeCloseTo(0.94 / 127, 3);
  expect([...noise.subarray(80)]).toEqual(Array.from({ length: 16 }, () => 0));
});

it('hessianRanges() adds noise to the diagonal of inputs, not of averages of them', () => {
  const spec = linearSpecs({ ...TINY_CONFIG, hidden: 4, heads: 2, kvHeads: 1, headDim: 16 }).find(({ site }) => site === 'attn.qkv')!;
  const ones = new Float32Array(16).fill(1);
  const moments = { input: ones, drift: null, values: { headDim: 16, matrices: [ones] } };
  const [input, values] = hessianRanges(spec, moments, null, Float64Array.of(1, 2, 3, 4));
  expect([...input!.hessian!]).toEqual([2, 1, 1, 1, 1, 3, 1, 1, 1, 1, 4, 1, 1, 1, 1, 5]);
  expect([...values!.hessian!]).toEqual([...ones]);
});
