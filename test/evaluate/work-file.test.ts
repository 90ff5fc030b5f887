import { appendFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { decodeFigures, encodeFigures, WorkFile } from '../../src/surfaces/adapters/evaluation/work-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'tetrad-work-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('WorkFile', () => {
  it('reads back what a stopped run has written, but for its torn last line', () => {
    const path = join(folder, 'new', 'work.jsonl');
    const first = new WorkFile(path);
    first.add('k', 'a', [1]);
    appendFileSync(path, '{"key":"k","id":"b","value":[2');
    const second = new WorkFile(path);
    expect([second.get('k', 'a'), second.get('k', 'b'), second.added]).toEqual([[1], undefined, false]);
    second.add('k', 'c', [3]);
    const third = new WorkFile(path);
    expect([third.get('k', 'a'), third.get('k', 'c'), third.get('other', 'a')]).toEqual([[1], [3], undefined]);
    third.remove();
    expect(existsSync(path)).toBe(false);
  });

  it('keeps lines that are not its own', () => {
    const path = join(folder, 'foreign.jsonl');
    writeFileSync(path, '[]\nnull\n{"key":1}\nhello\n');
    expect(new WorkFile(path).get('1', 'undefined')).toBeUndefined();
  });

  it('refuses a place that cannot be read', () => {
    expect(() => new WorkFile(folder)).toThrow(expect.objectContaining({ code: 'io_error' }));
  });

  it('figures come back bit by bit', () => {
    const figures = { bytes: 7, nll: Float64Array.of(1.5, 1 / 3), kl: Float64Array.of(0, 0.25), sameTop: Uint8Array.of(1, 0), change: Float64Array.of(-0.5, 0.1) };
    expect(decodeFigures(JSON.parse(JSON.stringify(encodeFigures(figures))))).toEqual(figures);
  });
});
