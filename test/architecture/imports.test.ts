import { posix } from 'node:path';
import { describe, expect, it } from 'vitest';
import { layerOf } from './layers.ts';
import { codeOnly, importsOf, isCode, matches, sources } from './sources.ts';

const files = sources(isCode, 'src').map(({ path, text }) => ({ path: path.slice('src/'.length), text }));
const target = (path: string, from: string): string => posix.normalize(posix.join(posix.dirname(path), from));

/** What is wrong with one import, or null. */
function complaint(path: string, from: string, typeOnly: boolean): string | null {
  const layer = layerOf(path);
  if (!from.startsWith('.')) {
    if (from.startsWith('node:')) return path.startsWith('surfaces/') ? null : `${from} outside surfaces`;
    const name = from.split('/').slice(0, from.startsWith('@') ? 2 : 1).join('/');
    return layer?.packages?.includes(name) ? null : `package ${name}`;
  }
  if (from.endsWith('.wasm')) return path.startsWith('surfaces/') ? null : `${from} outside surfaces`;
  if (!from.endsWith('.ts')) return `${from} has no .ts extension`;
  const to = layerOf(target(path, from));
  if (to === null) return `${from} is in no layer`;
  if (layer === null || layer === to || layer.may.includes(to.folder)) return null;
  if (layer.types?.includes(to.folder)) return typeOnly ? null : `${from}: of ${to.folder}, types only`;
  return `${from}: ${layer.folder} may not import ${to.folder}`;
}

describe('imports', () => {
  it('every source file belongs to a layer', () => {
    expect(files.filter(({ path }) => path.includes('/') && layerOf(path) === null).map(({ path }) => path)).toEqual([]);
    expect(files.length).toBeGreaterThan(10);
  });

  it('go downhill only', () => {
    const wrong = files.flatMap(({ path, text }) => importsOf(text).flatMap(({ from, typeOnly }) => {
      const what = complaint(path, from, typeOnly);
      return what === null ? [] : [`${path}: ${what}`];
    }));
    expect(wrong).toEqual([]);
  });

  it.each([
    ['core/a.ts', '../formats/b.ts', false],
    ['runtime/a.ts', '../backends/open.ts', false],
    ['generate/a.ts', '../models/config.ts', false],
    ['backends/wasm/a.ts', '../reference/b.ts', false],
    ['core/a.ts', 'node:fs', false],
    ['backends/wasm/a.ts', '../../wasm/simd128.wasm', false],
    ['formats/a.ts', 'valibot', false],
    ['formats/a.ts', '../core/errors', false],
  ])('complaint() refuses %s importing %s', (path, from, typeOnly) => {
    expect(complaint(path, from, typeOnly)).not.toBeNull();
  });

  it('form no cycle', () => {
    const graph = new Map(files.map(({ path, text }) => [path, importsOf(text).filter(({ from }) => from.startsWith('.')).map(({ from }) => target(path, from))]));
    expect(findCycle(graph)).toBeNull();
    expect(findCycle(new Map([['a', ['b']], ['b', ['c']], ['c', ['b']]]))).toEqual(['b', 'c', 'b']);
  });

  it('packed models load and run without what makes or measures them', () => {
    const reached = new Set(['surfaces/loader.ts', 'container/read.ts']);
    for (const path of reached) {
      const file = files.find((one) => one.path === path)!;
      for (const { from, typeOnly } of importsOf(file.text)) if (from.startsWith('.') && !typeOnly) reached.add(target(path, from));
    }
    expect(reached.size).toBeGreaterThan(50);
    expect([...reached].filter((path) => /^(quantize|calibrate|evaluate|importers)\//.test(path))).toEqual([]);
  });

  it('platform globals occur under surfaces only', () => {
    const globals = /(?<![.\w$])(?:process|Deno|Bun|navigator|fetch|require|setImmediate|Buffer|__dirname)\b(?!\s*\??:)/g;
    const wrong = files.filter(({ path }) => !path.startsWith('surfaces/')).flatMap((file) => matches(file, codeOnly(file.text), globals));
    expect(wrong).toEqual([]);
  });

  it('no function whose last bits differ between engines occurs below surfaces (powers of 2 are exact)', () => {
    const functions = /\bMath\.(?:exp|expm1|log|log2|log10|log1p|pow|sin|cos|tan|asin|acos|atan|atan2|sinh|cosh|tanh|cbrt|hypot)\b|(?<!\b2 )\*\*/g;
    const wrong = files.filter(({ path }) => !path.startsWith('surfaces/')).flatMap((file) => matches(file, codeOnly(file.text), functions));
    expect(wrong).toEqual([]);
  });
});

/** The first cycle met, as the list of its nodes, or null. */
function findCycle(graph: ReadonlyMap<string, readonly string[]>): string[] | null {
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (node: string): string[] | null => {
    if (path.includes(node)) return [...path.slice(path.indexOf(node)), node];
    if (done.has(node)) return null;
    path.push(node);
    for (const next of graph.get(node) ?? []) {
      const cycle = visit(next);
      if (cycle) return cycle;
    }
    path.pop();
    done.add(node);
    return null;
  };
  for (const node of graph.keys()) {
    const cycle = visit(node);
    if (cycle) return cycle;
  }
  return null;
}
