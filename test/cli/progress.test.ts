import { describe, expect, it } from 'vitest';
import { ProgressBar } from '../../src/surfaces/cli/progress.ts';

interface Screen {
  readonly lines: string[];
  readonly bar: ProgressBar;
  now: number;
}

function screen(isTTY: boolean, columns = 80): Screen {
  const lines: string[] = [];
  const clock = { now: 0 };
  const bar = new ProgressBar({ isTTY, columns, write: (text: string) => lines.push(text) }, () => clock.now);
  return Object.assign(clock, { lines, bar });
}

describe('ProgressBar', () => {
  it('writes nothing where there is no terminal', () => {
    const s = screen(false);
    s.bar.update({ stage: 'load', loaded: 1, total: 2 });
    s.bar.finish();
    expect(s.lines).toEqual([]);
  });

  it('draws share, bar, amounts, rate and time left', () => {
    const s = screen(true);
    s.bar.update({ stage: 'load', loaded: 0, total: 200e6 });
    s.now = 1000;
    s.bar.update({ stage: 'load', loaded: 50e6, total: 200e6 });
    expect(s.lines[1]).toBe(`\rload:  25% ▕${'█'.repeat(9)}${' '.repeat(27)}▏ 50 MB/200 MB   50 MB/s   3.0s\u001b[K`);
    expect(s.lines[1]!.length).toBeLessThanOrEqual(80 + '\r\u001b[K'.length);
  });

  it('draws at most every 100 ms, and always the end', () => {
    const s = screen(true);
    for (let i = 0; i <= 100; i++) {
      s.now = i;
      s.bar.update({ stage: 'quantise', loaded: i, total: 100 });
    }
    expect(s.lines).toHaveLength(2);
    expect(s.lines[1]).toContain('100%');
  });

  it('begins a new line for a new stage and ends with a line end', () => {
    const s = screen(true);
    for (const stage of ['a', 'b']) for (const loaded of [0, 1]) s.bar.update({ stage, loaded, total: 1 });
    s.bar.finish();
    s.bar.finish();
    expect(s.lines.map((line) => (line === '\n' ? line : line.slice(1, 8)))).toEqual(['a:   0%', 'a: 100%', '\n', 'b:   0%', 'b: 100%', '\n']);
  });

  it('shows one of two interleaved stages', () => {
    const s = screen(true);
    for (let i = 1; i <= 4; i++) {
      s.now += 1000;
      s.bar.update({ stage: 'quantise', loaded: i, total: 4 });
      s.bar.update({ stage: 'load', loaded: i, total: 4 });
    }
    s.bar.finish();
    expect(s.lines.map((line) => line.slice(1, 9))).toEqual(['quantise', 'quantise', 'quantise', 'quantise', '']);
  });

  it('leaves the bar away on a narrow screen, and nothing to do is not shown', () => {
    const s = screen(true, 20);
    s.bar.update({ stage: 'load', loaded: 0, total: 0 });
    s.bar.update({ stage: 'load', loaded: 0, total: 9 });
    expect(s.lines).toEqual(['\rload:   0% 0 B/9 B\u001b[K']);
  });
});
