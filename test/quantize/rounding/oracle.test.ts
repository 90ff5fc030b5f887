import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { roundRows, valuesOf } from '../../../src/quantize/rounding/round.ts';
import { COMPENSATED, outputError, roundJob } from '../../support/rounding.ts';

/** Frozen by test/oracles/compensated_rounding.py. */
const folder = new URL('../../fixtures/rounding/', import.meta.url);
const { error, nearest } = JSON.parse(readFileSync(new URL('case.json', folder), 'utf8')) as { error: number; nearest: number };
const bytes = new Uint8Array(readFileSync(new URL('case.bin', folder))).buffer;
const [ROWS, COLS] = [12, 96];
const values = new Float32Array(bytes, 0, ROWS * COLS);
const hessian = new Float32Array(bytes, ROWS * COLS * 4, COLS * COLS);
const codesAt = (ROWS + COLS) * COLS * 4;
const codes = new Uint8Array(bytes, codesAt, ROWS * COLS);
const scales = new Uint16Array(bytes, codesAt + ROWS * COLS, ROWS * 3);

it('roundRows() gives the codes and scales of an implementation in NumPy', () => {
  const job = roundJob(values, COLS, { bits: 4, block: 32, scale: 'f16', zero: 'mid' }, { hessian, clip: { by: 'range', ratio: 1 }, rounding: { ...COMPENSATED, order: 'energy' } });
  const rounded = roundRows(job);
  expect(rounded.segments[0]!.codes!.scales).toEqual(scales);
  expect(rounded.segments[0]!.codes!.codes).toEqual(codes);
  expect(outputError(values, valuesOf(rounded, job.segments, ROWS, COLS), hessian, COLS) / error).toBeCloseTo(1, 5);
  const plain = valuesOf(roundRows({ ...job, rounding: 'nearest' }), job.segments, ROWS, COLS);
  expect(outputError(values, plain, hessian, COLS) / nearest).toBeCloseTo(1, 5);
});
