import { describe, expect, it } from 'vitest';
import { f16ToF32, f32ToF16 } from '../../../src/core/numeric.ts';
import { dequantise, offsetAt, scaleAt } from '../../../src/formats/dequantise.ts';
import type { WeightFormat } from '../../../src/formats/number-format.ts';
import { fitterOf } from '../../../src/quantize/rounding/clip.ts';
import { nearestCode } from '../../../src/quantize/rounding/fit.ts';
import { prepareHessian } from '../../../src/quantize/rounding/hessian.ts';
import { roundPanel } from '../../../src/quantize/rounding/round-panel.ts';
import { roundRows, valuesOf, type RoundJob } from '../../../src/quantize/rounding/round.ts';
import { inverse } from '../../support/inverse.ts';
import { COMPENSATED, formatName, GRIDS, outputError, roundJob, secondMoment, weights } from '../../support/rounding.ts';

const f = Math.fround;

/** H with damping, f64, as `prepareHessian` describes it. */
function damped(hessian: Float32Array, cols: number, damping: number): Float64Array {
  const matrix = Float64Array.from(hessian);
  let mean = 0;
  for (let j = 0; j < cols; j++) mean += matrix[j * cols + j]! / cols;
  for (let j = 0; j < cols; j++) matrix[j * cols + j]! += damping * mean;
  return matrix;
}

/** Optimal brain quantisation in a fixed order: the inverse, explicit, loses each column that is rounded. `round(row, channel, x)` gives the value. */
function naiveSweep(values: Float32Array, hessian: Float32Array, cols: number, damping: number, order: readonly number[], round: (row: number, channel: number, x: number) => number): Float32Array {
  const out = new Float32Array(values.length);
  for (let row = 0; row * cols < values.length; row++) {
    const left = Float64Array.from(values.subarray(row * cols, (row + 1) * cols));
    const inv = inverse(damped(hessian, cols, damping), cols);
    for (const c of order) {
      const value = round(row, c, left[c]!);
      out[row * cols + c] = value;
      const pivot = inv[c * cols + c]!;
      const error = (left[c]! - value) / pivot;
      const [column, line] = [Float64Array.from({ length: cols }, (_, i) => inv[i * cols + c]!), inv.slice(c * cols, (c + 1) * cols)];
      for (let j = 0; j < cols; j++) left[j]! -= error * line[j]!;
      for (let i = 0; i < cols; i++) for (let j = 0; j < cols; j++) inv[i * cols + j]! -= (column[i]! * line[j]!) / pivot;
      inv[c * cols + c] = 1; // out of the way
    }
  }
  return out;
}

/** Weights of a row before the column `until` is rounded. */
function stateAt(values: Float32Array, hessian: Float32Array, cols: number, row: number, until: number, round: (row: number, channel: number, x: number) => number): number[] {
  const state: number[] = [];
  naiveSweep(values.slice(row * cols, (row + 1) * cols), hessian, cols, 0.01, Array.from({ length: cols }, (_, i) => i), (_, channel, x) => {
    if (channel >= until) state[channel] ??= x;
    return channel < until ? round(row, channel, x) : x; // no error: what follows stays as it is
  });
  return state;
}

/** Rounds to the codes of grids that a result stores. */
function stored(job: RoundJob, rounded = roundRows(job)): { values: Float32Array; round: (row: number, channel: number, x: number) => number } {
  const values = valuesOf(rounded, job.segments, job.rows, job.cols);
  const round = (row: number, channel: number, x: number): number => {
    const index = job.segments.findIndex(({ from, to }) => channel >= from && channel < to);
    const { from, to, weight } = job.segments[index]!;
    const part = rounded.segments[index]!;
    if (!('scale' in weight) || part.values) return weight.bits === 16 ? f16ToF32(f32ToF16(x)) : f(x);
    const block = weight.block === 'row' ? to - from : weight.block;
    const entry = row * Math.ceil((to - from) / block) + Math.floor((channel - from) / block);
    const scale = scaleAt(weight, part.codes.scales[entry]!, part.rowScales, row);
    const offset = offsetAt(weight, scale, part.codes.zeros[entry] ?? 0, part.rowScales, row);
    return f(f(scale * nearestCode((x - offset) / scale, (1 << weight.bits) - 1)) + offset);
  };
  return { values, round };
}

const U4: WeightFormat = { bits: 4, block: 32, scale: 'u8', zero: 'min' };

describe('roundRows() column by column', () => {
  it.each([[32, 1], [70, 5], [96, 3]])('rounds as the textbook does, with the inverse explicit: %i columns, %i rows', (cols, rows) => {
    const values = weights(rows, cols, 5);
    const hessian = secondMoment(cols, 6);
    const job = roundJob(values, cols, U4, { rounding: COMPENSATED, hessian });
    const found = stored(job);
    expect([...found.values]).toEqual([...naiveSweep(values, hessian, cols, 0.01, [...values.keys()].slice(0, cols), found.round)]);
  });

  it('takes columns by descending energy, wider ones and numbers last', () => {
    const cols = 80;
    const values = weights(4, cols, 7);
    const hessian = secondMoment(cols, 8);
    const segments = [
      { from: 0, to: 32, weight: U4 }, { from: 32, to: 48, weight: U4 }, { from: 48, to: 64, weight: { bits: 8, block: 'row', scale: 'bf16', zero: 'mid' } as const },
      { from: 64, to: 80, weight: { bits: 16 } as const },
    ];
    const job = roundJob(values, cols, U4, { segments, rounding: { ...COMPENSATED, order: 'energy' }, hessian });
    const sorted = (from: number, to: number): number[] =>
      Array.from({ length: to - from }, (_, i) => from + i).sort((a, b) => hessian[b * cols + b]! - hessian[a * cols + a]!);
    const found = stored(job);
    // Numbers take what is left in full: their own rounding to f16 reaches nothing else.
    const order = [...sorted(0, 48), ...sorted(48, 64), ...Array.from({ length: 16 }, (_, i) => 64 + i)];
    const wanted = naiveSweep(values, hessian, cols, 0.01, order, (row, channel, x) => (channel < 64 ? found.round(row, channel, x) : x));
    expect(Array.from(found.values.map((x, at) => (at % cols < 64 ? x : 0)))).toEqual(Array.from(wanted.map((x, at) => (at % cols < 64 ? x : 0))));
    found.values.forEach((x, at) => { if (at % cols >= 64) expect(x).toBe(f16ToF32(f32ToF16(wanted[at]!))); });
  });

  it('takes blocks by descending energy and so their channels, with grids as their block begins', () => {
    const cols = 104;
    const values = weights(2, cols, 13);
    const hessian = secondMoment(cols, 14);
    const format: WeightFormat = { bits: 4, block: 32, scale: 'f16', zero: 'mid' };
    const job = roundJob(values, cols, format, { rounding: { ...COMPENSATED, order: 'blocks', groups: 'updated' }, clip: { by: 'range', ratio: 1 }, hessian });
    const found = stored(job);
    const energy = (k: number): number => hessian[k * cols + k]!;
    const blocks = [0, 32, 64, 96].map((from) => Array.from({ length: Math.min(32, cols - from) }, (_, k) => from + k));
    const mean = (block: number[]): number => block.reduce((sum, k) => sum + energy(k), 0) / block.length;
    const order = blocks.sort((a, b) => mean(b) - mean(a)).flatMap((block) => block.sort((a, b) => energy(b) - energy(a)));
    expect(order).not.toEqual(order.toSorted((a, b) => energy(b) - energy(a)));
    expect([...found.values]).toEqual([...naiveSweep(values, hessian, cols, 0.01, order, found.round)]);
  });

  it('fits grids to the weights as they are when a block begins', () => {
    const cols = 96;
    const values = weights(2, cols, 9);
    const hessian = secondMoment(cols, 10);
    const format: WeightFormat = { bits: 4, block: 32, scale: 'f16', zero: 'mid' };
    const job = roundJob(values, cols, format, { rounding: { ...COMPENSATED, groups: 'updated' }, clip: { by: 'range', ratio: 1 }, hessian });
    const rounded = roundRows(job);
    const grid = stored(job, rounded);
    const wanted = naiveSweep(values, hessian, cols, 0.01, Array.from({ length: cols }, (_, i) => i), grid.round);
    expect([...grid.values]).toEqual([...wanted]);
    for (let row = 0; row < 2; row++) {
      for (let block = 0; block < 3; block++) {
        const state = stateAt(values, hessian, cols, row, block * 32, grid.round).slice(block * 32, block * 32 + 32);
        const scale = Math.max(...state.map(Math.abs)) / 7;
        expect(f16ToF32(rounded.segments[0]!.codes!.scales[row * 3 + block]!) / scale).toBeCloseTo(1, 3);
      }
    }
  });

  it.each(GRIDS.map((format) => [formatName(format), format] as const))('loses less of the output than nearest codes on the same grids: %s', (_, format) => {
    const cols = 120;
    const values = weights(20, cols, 11);
    const hessian = secondMoment(cols, 12);
    const lost = (changes: Partial<RoundJob>): number => {
      const job = roundJob(values, cols, format, { hessian, ...changes });
      return outputError(values, valuesOf(roundRows(job), job.segments, 20, cols), hessian, cols);
    };
    expect(lost({ rounding: { ...COMPENSATED, order: 'energy' } })).toBeLessThan(0.5 * lost({}));
  });
});

describe('descend()', () => {
  const cols = 96;
  const values = weights(20, cols, 13);
  const hessian = secondMoment(cols, 14);
  const matrix = damped(hessian, cols, 0.01);
  const dampedError = (rounded: Float32Array): number => outputError(values, rounded, Float32Array.from(matrix), cols);
  const valuesAfter = (format: WeightFormat, sweeps: number, sparseShare = 0): Float32Array => {
    const job = roundJob(values, cols, format, { hessian, rounding: { ...COMPENSATED, sweeps }, sparseShare });
    return valuesOf(roundRows(job), job.segments, 20, cols);
  };

  it.each(GRIDS.map((format) => [formatName(format), format] as const))('lowers the error round by round: %s', (_, format) => {
    for (const share of [0, 0.02]) {
      const errors = [0, 1, 2, 6].map((sweeps) => dampedError(valuesAfter(format, sweeps, share)));
      expect(errors[1]).toBeLessThan(0.97 * errors[0]!);
      expect(errors[2]).toBeLessThanOrEqual(errors[1]! * 1.000001);
      expect(errors[3]).toBeLessThanOrEqual(errors[2]! * 1.000001);
    }
  });

  it('ends where no single code can be changed for the better', () => {
    const job = roundJob(values, cols, U4, { hessian, rounding: { ...COMPENSATED, sweeps: 20 } });
    const { values: found, round } = stored(job);
    for (let row = 0; row < 20; row++) {
      for (let c = 0; c < cols; c++) {
        let slope = 0;
        for (let j = 0; j < cols; j++) slope += matrix[c * cols + j]! * (found[row * cols + j]! - values[row * cols + j]!);
        const target = found[row * cols + c]! - slope / matrix[c * cols + c]!;
        const other = round(row, c, target);
        expect(Math.abs(found[row * cols + c]! - target)).toBeLessThanOrEqual(Math.abs(other - target) + 1e-9);
      }
    }
  });

  it('comes close to the best of all codes on tiny problems', () => {
    const size = 5;
    let [found, best, plain] = [0, 0, 0];
    for (let seed = 0; seed < 30; seed++) {
      const w = weights(1, size, 100 + seed);
      const h = secondMoment(size, 200 + seed, 12);
      const job = roundJob(w, size, { bits: 3, block: 'row', scale: 'bf16', zero: 'mid' }, { hessian: h, rounding: { ...COMPENSATED, sweeps: 10 } });
      const result = stored(job);
      const cost = (v: Float32Array): number => outputError(w, v, Float32Array.from(damped(h, size, 0.01)), size);
      const scale = roundRows(job).segments[0]!.rowScales![0]!;
      let least = Infinity;
      for (let code = 0; code < 8 ** size; code++) least = Math.min(least, cost(Float32Array.from({ length: size }, (_, k) => scale * (((code >> (3 * k)) & 7) - 4))));
      const ended = cost(result.values);
      expect(ended).toBeGreaterThanOrEqual(least * 0.99999);
      found += ended;
      best += least;
      plain += cost(stored({ ...job, rounding: 'nearest' }).values);
    }
    expect(found).toBeLessThan(0.5 * plain);
    expect(found).toBeLessThan(2 * best);
  });

  it('counts values as the stored formats give them', () => {
    for (const format of GRIDS) {
      const job = roundJob(values, cols, format, { hessian, rounding: { ...COMPENSATED, sweeps: 2 }, sparseShare: 0.02 });
      const hess = prepareHessian(hessian, cols, job.segments, job.rounding);
      const panel = roundPanel(job, 0, hess, fitterOf(job.clip, hess, job.cols));
      const rounded = roundRows(job);
      expect([...valuesOf(rounded, job.segments, 20, cols).subarray(0, 16 * cols)]).toEqual([...panel.values]);
      expect(dequantise(format, rounded.segments[0]!.codes!, rounded.segments[0]!.rowScales!).every(Number.isFinite)).toBe(true);
    }
  });
});
