import { describe, expect, it } from 'vitest';
import { orderBy } from '../../src/quantize/steps/reorder.ts';
import { samplesOfRows } from '../support/samples.ts';

/** Two tokens of eight channels. */
const SAMPLES = samplesOfRows(Float32Array.of(
  1, -9, 3, 0, 1, -9, 2, 8,
  1, 0, -3, 0, -1, 1, 3, 0,
), 8);
const A32 = { bits: 32 } as const;
const blocks = (block: 32 | 'row') => ({ bits: 8, block, clip: 1 }) as const;

describe('orderBy()', () => {
  it('sorts by mean square, equal channels as they came', () => {
    expect([...orderBy('energy', SAMPLES, A32)]).toEqual([3, 0, 4, 6, 2, 7, 1, 5]); // energies 1 40.5 9 0 1 41 6.5 32
  });

  it('sorts by largest magnitude, equal channels as they came', () => {
    expect([...orderBy('absmax', SAMPLES, A32)]).toEqual([3, 0, 4, 2, 6, 7, 1, 5]); // 1 9 3 0 1 9 3 8
  });

  it('puts channels of one range next to each other, narrow clusters first', () => {
    const channel = (low: number, high: number): readonly [number, number] => [low, high];
    const kinds = [channel(-1, 1), channel(-20, 0), channel(0, 5), channel(-0.1, 0.1)];
    const cols = 128;
    const rows = Float32Array.from({ length: 2 * cols }, (_, i) => kinds[i % 4]![Math.floor(i / cols)]! * (1 + 0.001 * ((i % cols) % 3)));
    const order = orderBy('ranges', samplesOfRows(rows, cols), blocks(32));
    const inTurn = [3, 0, 2, 1].flatMap((kind) => Array.from({ length: 32 }, (_, i) => 4 * i + kind));
    expect([...order]).toEqual(inTurn);
  });

  it('orders every channel once where a block is a row', () => {
    const cols = 200;
    const rows = Float32Array.from({ length: cols }, (_, i) => (i * 37) % cols);
    const order = orderBy('ranges', samplesOfRows(rows, cols), blocks('row'));
    expect([...order].toSorted((a, b) => a - b)).toEqual([...Array.from({ length: cols }).keys()]);
  });
});
