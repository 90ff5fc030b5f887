import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { decodeFigures, encodeFigures, Results, type WindowRecord } from '../../bench/fidelity/records.ts';

const folder = mkdtempSync(join(tmpdir(), 'tetrad-records-'));
afterAll(() => rmSync(folder, { recursive: true }));

const figures = { nll: Float64Array.of(1.5, 2), kl: Float64Array.of(0, 0.25), sameTop: Uint8Array.of(1, 0), change: Float64Array.of(-0.5, 0.125) };
const key = { build: 'a', model: 'm', context: 3 };
const record = (window: number): WindowRecord => ({ ...key, window, candidate: 'w4a8:4', bytes: 7, ...encodeFigures(figures) });

describe('Results', () => {
  test('reads back what a stopped run has written, but for its torn last line', () => {
    const path = join(folder, 'new', 'results.jsonl');
    new Results(path, key).add(record(0));
    appendFileSync(path, JSON.stringify(record(1)).slice(0, -9));
    const second = new Results(path, key);
    expect(second.get(1, 'w4a8:4')).toBeUndefined();
    second.add(record(2));
    const third = new Results(path, key);
    expect([0, 1, 2].map((window) => third.get(window, 'w4a8:4')?.window)).toEqual([0, undefined, 2]);
    expect(decodeFigures(third.get(2, 'w4a8:4')!)).toEqual(figures);
  });

  test.each([{ build: 'b' }, { model: 'n' }, { context: 4 }])('does not take over lines of another run: %j', (other) => {
    const path = join(folder, 'other.jsonl');
    new Results(path, key).add(record(0));
    expect(new Results(path, { ...key, ...other }).get(0, 'w4a8:4')).toBeUndefined();
  });
});
