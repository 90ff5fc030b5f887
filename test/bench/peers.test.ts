import { describe, expect, it } from 'vitest';
import { CONTESTS } from '../../bench/peers/contests.ts';
import { peerTable, ratios, rowsOf } from '../../bench/peers/table.ts';
import { barsSvg } from '../../bench/svg/bars.ts';

const machine = { cpu: '<X>', cores: 2, os: 'linux x64', node: '24', date: '2026-01-01' };

describe('rowsOf()', () => {
  const pairs = [[{ prefill: 20, decode: 10 }, { prefill: 10, decode: 10, foreign: 3 }], [{ prefill: 30, decode: 10, threads: 1 }, { prefill: 10, decode: 5, foreign: 8 }]] as const;
  const rows = rowsOf('speed', 2, 'other', pairs);

  it('makes a row per metric, pairs in order', () => {
    expect(rows).toEqual([
      { test: 'speed', metric: 'prefill', threads: 2, contender: 'other', ours: [20, 30], theirs: [10, 10], ourThreads: 1, foreign: 8 },
      { test: 'speed', metric: 'decode', threads: 2, contender: 'other', ours: [10, 10], theirs: [10, 5], ourThreads: 1, foreign: 8 },
    ]);
    expect(rows.map(ratios)).toEqual([[2, 3], [1, 2]]);
  });

  it('a ratio says how many times better, also where less is better', () => {
    expect(rowsOf('cold', 1, 'other', [[{ first: 100 }, { first: 500 }]]).map(ratios)).toEqual([[5]]);
  });

  it('leaves ours out where a round lacks it', () => {
    const [row] = rowsOf('batch', 1, 'other', [[{ batch: 5 }, { batch: 7 }], [null, { batch: 9 }]]);
    expect([row!.ours, row!.theirs, ratios(row!)]).toEqual([[], [7, 9], []]);
    expect(peerTable([row!]).split('\n')[2]).toBe('| batch: batch, tok/s | 1 | other | 8.0 (7.0-9.0) | - | - | 0 % |');
  });

  it('the table says when ours had fewer threads', () => {
    expect(peerTable(rows)).toContain('| speed: prefill, tok/s | 2 | other | 10.0 (10.0-10.0) | 25.0 (20.0-30.0) on 1 thread | 2.50x (2.00x-3.00x) | 8 % |');
  });

  it('bars are escaped and finite', () => {
    const svg = barsSvg({ bench: 'peers', machine, limits: null, rows: [...rows, ...rowsOf('batch', 1, 'a "b"', [[null, { batch: 7 }]])] });
    expect(svg).toContain('a &#34;b&#34;');
    expect(svg).not.toMatch(/<X>|NaN|undefined|Infinity/);
  });
});

it('contests have names of their own and contenders', () => {
  expect(new Set(CONTESTS.map(({ test }) => test)).size).toBe(CONTESTS.length);
  for (const { against } of CONTESTS) expect(new Set(against.map(({ name }) => name)).size).toBe(against.length);
});
