import { expect, it } from 'vitest';
import { isCode, sources } from './sources.ts';

/** Files that are data, not code. */
const dataTables: readonly string[] = [];
const aim = 200;
const cap = 500;

it(`no code file is longer than ${cap} lines`, () => {
  const files = sources(isCode, 'src', 'assembly', 'test', 'bench', 'scripts')
    .map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }))
    .filter(({ path, lines }) => lines > aim && !dataTables.includes(path))
    .sort((a, b) => b.lines - a.lines);
  if (files.length > 0) process.stdout.write(`over ${aim} lines: ${files.map(({ path, lines }) => `${path} ${lines}`).join(', ')}\n`);
  expect(files.filter(({ lines }) => lines > cap)).toEqual([]);
});
