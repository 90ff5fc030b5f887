import { describe, expect, it } from 'vitest';
import { f16ToF32 } from '../../../src/core/numeric.ts';
import { TetradError } from '../../../src/core/errors.ts';
import type { WeightFormat } from '../../../src/formats/number-format.ts';
import { panelBytes } from '../../../src/formats/layout.ts';
import { packPanels } from '../../../src/formats/pack.ts';
import { unpackPanels } from '../../../src/formats/unpack.ts';
import { joinRounded, roundRows, valuesOf, type RoundJob, type Rounded } from '../../../src/quantize/rounding/round.ts';
import { COMPENSATED, formatName, GRIDS, outputError, roundJob, secondMoment, weights } from '../../support/rounding.ts';

const COLS = 104;
const ROWS = 37;
const values = weights(ROWS, COLS, 21);
const hessian = secondMoment(COLS, 22);

const restored = (job: RoundJob, rounded: Rounded = roundRows(job)): Float32Array => valuesOf(rounded, job.segments, job.rows, job.cols);
const squared = (a: Float32Array, b: Float32Array): number => a.reduce((sum, x, i) => sum + (x - b[i]!) ** 2, 0);

/** The job in parts of the given rows, each as another thread would get it. */
function inParts(job: RoundJob, step: number): Rounded {
  const parts: Rounded[] = [];
  for (let first = 0; first < job.rows; first += step) {
    const rows = Math.min(step, job.rows - first);
    parts.push(roundRows(structuredClone({ ...job, rows, values: job.values.slice(first * job.cols, (first + rows) * job.cols) })));
  }
  return structuredClone(joinRounded(parts));
}

const ROUNDINGS: readonly RoundJob['rounding'][] = ['nearest', { ...COMPENSATED, order: 'energy', sweeps: 2 }, { ...COMPENSATED, groups: 'updated' }];

describe('roundRows()', () => {
  it.each(GRIDS.map((format) => [formatName(format), format] as const))('gives the same whatever rows are done together: %s', (_, format) => {
    for (const rounding of ROUNDINGS) {
      for (const sparseShare of [0, 0.01]) {
        const segments = [{ from: 0, to: 80, weight: format }, { from: 80, to: COLS, weight: { bits: 16 } as const }];
        const job = roundJob(values, COLS, format, { segments, rounding, hessian, sparseShare });
        const whole = structuredClone(roundRows(job));
        for (const step of [16, 32]) expect(inParts(job, step)).toEqual(whole);
      }
    }
  });

  it.each(GRIDS.map((format) => [formatName(format), format] as const))('fills panels that unpack to the same: %s', (_, format) => {
    const job = roundJob(values, COLS, format);
    const [segment] = roundRows(job).segments;
    const panels = new Uint8Array(3 * panelBytes(format, COLS));
    packPanels(format, segment!.codes!, panels);
    expect(restored(job, { segments: [{ codes: unpackPanels(format, ROWS, COLS, panels), rowScales: segment!.rowScales! }], sparse: null })).toEqual(restored(job));
  });

  it.each(GRIDS.map((format) => [formatName(format), format] as const))('stays finite and near for blocks of zeros, of one value and with one huge value: %s', (_, format) => {
    const odd = weights(5, COLS, 23);
    odd.fill(0, 0, COLS);
    odd.fill(0.25, COLS, 2 * COLS);
    odd.fill(-0.25, 2 * COLS, 3 * COLS);
    odd[3 * COLS + 5] = 50;
    const flat = hessian.slice();
    for (let j = 0; j < COLS; j++) flat[3 * COLS + j] = flat[j * COLS + 3] = 0; // a channel that is always zero
    for (const rounding of ROUNDINGS) {
      for (const sparseShare of [0, 0.05]) {
        const found = restored(roundJob(odd, COLS, format, { rounding, hessian: flat, sparseShare }));
        expect(found.every(Number.isFinite)).toBe(true);
        if (rounding !== 'nearest' || format.scale === 'u3') continue;
        expect(found.subarray(0, COLS).every((x) => x === 0)).toBe(true);
        for (let i = COLS; i < 3 * COLS; i++) expect(Math.abs(found[i]! - odd[i]!)).toBeLessThan(0.0035);
      }
    }
  });

  it('keeps numbers as numbers', () => {
    expect(restored(roundJob(values, COLS, { bits: 32 }))).toEqual(values);
    const halves = restored(roundJob(values, COLS, { bits: 16 }));
    halves.forEach((x, i) => expect(Math.abs(x - values[i]!)).toBeLessThanOrEqual(Math.abs(values[i]!) * 2 ** -11 + 2 ** -25));
  });

  it('orders formats by what they cost', () => {
    const lost = (format: WeightFormat): number => squared(restored(roundJob(values, COLS, format)), values);
    const of = (bits: 3 | 4 | 6 | 8, changes: Partial<WeightFormat> = {}): number => lost({ bits, block: 32, scale: 'f16', zero: 'min', ...changes });
    expect(of(8)).toBeLessThan(of(6) / 8);
    expect(of(6)).toBeLessThan(of(4) / 8);
    expect(of(4)).toBeLessThan(of(3) / 3);
    expect(of(4)).toBeLessThan(of(4, { zero: 'mid' }));
    expect(of(4, { block: 16 })).toBeLessThan(of(4, { block: 16, scale: 'u3', zero: 'u3' }));
    expect(of(4, { block: 16, scale: 'u3', zero: 'u3' })).toBeLessThan(of(4));
    expect(of(4, { scale: 'u8' })).toBeLessThan(1.05 * of(4));
    expect(of(4)).toBeLessThan(of(4, { block: 'row', scale: 'bf16' }));
  });

  it('makes 8-bit integers of 4-bit codes with integer scales and zeros', () => {
    for (const clip of [{ by: 'range', ratio: 1 }, { by: 'leastSquares' }] as const) {
      const { codes, rowScales } = roundRows(roundJob(values, COLS, { bits: 4, block: 32, scale: 'u8', zero: 'int' }, { clip })).segments[0]!;
      codes!.codes.forEach((q, at) => {
        const entry = Math.floor(at / COLS) * 4 + Math.floor((at % COLS) / 32);
        expect(Math.abs((q - codes!.zeros[entry]!) * codes!.scales[entry]!)).toBeLessThanOrEqual(127);
        expect(codes!.scales[entry]).toBeLessThanOrEqual(17);
      });
      const steps = rowScales!.filter((_, i) => i % 2 === 0);
      steps.forEach((step, row) => expect(step).toBeLessThan((1.01 * Math.max(...values.subarray(row * COLS, (row + 1) * COLS).map(Math.abs))) / 100));
    }
  });

  it('gives 16 rows of a block shared grids with 3-bit codes', () => {
    const { codes } = roundRows(roundJob(values, COLS, { bits: 3, block: 16, scale: 'u3', zero: 'u3' })).segments[0]!;
    expect(codes!.shared).toHaveLength(3 * 7 * 4);
    expect(Math.max(...codes!.scales, ...codes!.zeros)).toBe(7);
    expect(Math.min(...codes!.scales)).toBe(0);
    for (let i = 0; i < codes!.shared!.length; i += 4) expect(f16ToF32(codes!.shared![i + 1]!)).toBeGreaterThanOrEqual(0);
  });

  it.each([
    ['no Hessian where columns make up for each other', { rounding: COMPENSATED }],
    ['no Hessian where clips are judged by outputs', { clip: { by: 'output', steps: 10 } }],
    ['a Hessian of another size', { rounding: COMPENSATED, hessian: new Float64Array(9) as unknown as Float32Array }],
    ['a Hessian that is not finite', { rounding: COMPENSATED, hessian: hessian.map((x, i) => (i === 0 ? NaN : x)) }],
    ['a Hessian that is indefinite', { rounding: COMPENSATED, hessian: hessian.map((x, i) => (i % (COLS + 1) === 0 ? x : 1000)) }],
  ] as const)('refuses %s', (_, changes) => {
    const act = (): unknown => roundRows(roundJob(values, COLS, GRIDS[0]!, changes));
    expect(act).toThrow(TetradError);
    expect(act).toThrow(/^Cannot .*: .*, needed/);
  });

  it('rounds with a Hessian of rank one and with one of zeros', () => {
    const x = weights(1, COLS, 24);
    const one = Float32Array.from({ length: COLS * COLS }, (_, i) => x[Math.floor(i / COLS)]! * x[i % COLS]!);
    for (const matrix of [one, new Float32Array(COLS * COLS)]) {
      expect(restored(roundJob(values, COLS, GRIDS[0]!, { rounding: { ...COMPENSATED, sweeps: 1 }, hessian: matrix })).every(Number.isFinite)).toBe(true);
    }
  });

  it('takes channels without inputs as zero where columns make up for each other', () => {
    const dead = hessian.slice();
    for (let j = 0; j < COLS; j++) dead[5 * COLS + j] = dead[j * COLS + 5] = 0;
    const format: WeightFormat = { bits: 4, block: 32, scale: 'f16', zero: 'mid' };
    const found = restored(roundJob(values, COLS, format, { rounding: COMPENSATED, hessian: dead }));
    for (let row = 0; row < ROWS; row++) expect(found[row * COLS + 5]).toBe(0);
  });
});

describe('roundRows() with single weights beside the grid', () => {
  const format: WeightFormat = { bits: 3, block: 16, scale: 'u3', zero: 'u3' };
  it.each(ROUNDINGS.map((rounding) => [typeof rounding === 'string' ? rounding : `${rounding.order} ${rounding.groups}`, rounding] as const))(
    'keeps the same number in every 16 rows, channels ascending: %s',
    (_, rounding) => {
      const { starts, entries } = roundRows(roundJob(values, COLS, format, { rounding, hessian, sparseShare: 0.02 })).sparse!;
      expect([starts[0], starts[16], starts[32], starts[37]]).toEqual([0, 33, 66, 66 + Math.round(0.02 * 5 * COLS)]);
      expect(entries).toHaveLength(starts[37]!);
      for (let row = 0; row < ROWS; row++) {
        const channels = [...entries.subarray(starts[row], starts[row + 1])].map((entry) => entry & 0xffff);
        expect(channels).toEqual([...new Set(channels)].sort((a, b) => a - b));
      }
    },
  );

  it('keeps weights that cost much, to f16', () => {
    const plain = restored(roundJob(values, COLS, format, { hessian }));
    const job = roundJob(values, COLS, format, { hessian, sparseShare: 0.02 });
    const rounded = roundRows(job);
    const found = restored(job, rounded);
    for (let row = 0; row < 16; row++) {
      for (const entry of rounded.sparse!.entries.subarray(rounded.sparse!.starts[row], rounded.sparse!.starts[row + 1])) {
        const at = row * COLS + (entry & 0xffff);
        expect(Math.abs(found[at]! - values[at]!)).toBeLessThan(2 ** -11 * Math.abs(f16ToF32(entry >>> 16)) + 1e-7);
      }
    }
    const costs = (of: Float32Array): Float64Array => Float64Array.from(of, (x, at) => (x - values[at]!) ** 2 * hessian[(at % COLS) * (COLS + 1)]!);
    const total = (of: Float64Array): number => of.reduce((sum, x) => sum + x, 0);
    const before = costs(plain);
    const most = total(before.toSorted().slice(-rounded.sparse!.entries.length)); // of the weights with the largest errors
    expect(total(costs(found))).toBeLessThan(total(before) - most);
  });

  it('leaves them out of the grids of the others', () => {
    const spiky = weights(16, 32, 25);
    for (let row = 0; row < 16; row++) spiky[row * 32 + row] = 3;
    const job = roundJob(spiky, 32, { bits: 4, block: 32, scale: 'f16', zero: 'min' }, { sparseShare: 1 / 32 });
    expect(Math.max(...restored(job).map((x, at) => Math.abs(x - spiky[at]!)))).toBeLessThan(0.02);
  });

  it('loses less of the output', () => {
    const lost = (rounding: RoundJob['rounding'], sparseShare: number): number => outputError(values, restored(roundJob(values, COLS, format, { rounding, hessian, sparseShare })), hessian, COLS);
    for (const rounding of ROUNDINGS) expect(lost(rounding, 0.02)).toBeLessThan(0.9 * lost(rounding, 0));
  });
});
