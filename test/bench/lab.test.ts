import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { linearAxis, logAxis } from '../../bench/lab/charts/axes.ts';
import { chartsOf, docsOf, withTable } from '../../bench/lab/docs.ts';
import { parseFigures } from '../../bench/lab/llama.ts';
import { recipesPage, seriesOf } from '../../bench/lab/page.ts';
import { formatResults, parseResults, ResultFile, type LabResult, type Quality } from '../../bench/lab/result.ts';
import { GROUPS, ROWS, type LabRow } from '../../bench/lab/rows.ts';
import { recipe, RECIPE_NAMES } from '../../src/quantize/registry.ts';
import { resolveRecipe } from '../../src/surfaces/quantize/options.ts';
import { read, root } from '../architecture/sources.ts';

const machine = { cpu: 'CPU', cores: 2, os: 'linux x64', node: '24.0.0', date: '2026-01-02T00:00:00.000Z' };
const quality = (ratio: number): Quality => ({ perplexity: 20 * ratio, ratio, ratioError: 0.001, meanKl: 0.01, kl999: 0.2, sameTop: 0.95, rmsChange: 0.03 });

function result(label: string, ratio: number, more: Partial<LabResult> = {}): LabResult {
  return {
    model: 'soft', label, windows: 20, context: 2048, recipe: recipe('comet'), digest: 'd', build: 'b', machine,
    size: { bytes: 83.4e6, bits: 4.546875, share4: 0.75, share8: 0.25 }, seconds: 123, timings: { rounding: 80, moments: 40.5, orders: 0.2 },
    quality: { whole: quality(ratio), halves: quality(ratio) }, speed: { best: { path: 'relaxed-i16', prefill: [400, 410, 390], decode: [200] }, plain: { path: 'simd128', prefill: [250], decode: [120] } }, ...more,
  };
}

const rowOf = (label: string): LabRow => ROWS.find((row) => row.label === label)!;
const results = [
  result('comet-50', 1.2, { size: { bytes: 83.4e6, bits: 4.55, share4: 0.5, share8: 0.5 }, speed: null }), result('comet', 1.3),
  result('Q4_0', 1.1, { recipe: null, size: { bytes: 9e7, bits: 4.5, share4: null, share8: null }, quality: { whole: null, halves: quality(1.1) }, speed: null, seconds: null }),
];

describe('rows', () => {
  it.each(ROWS.filter(({ subject }) => 'recipe' in subject).map((row) => [row.label, row] as const))('%s is a recipe', (_, { subject }) => {
    if (!('recipe' in subject)) throw new Error('unreachable');
    const plain = resolveRecipe({ recipe: subject.recipe });
    const own = resolveRecipe(subject);
    if (subject.set) expect(own).not.toEqual(plain);
  });

  it('labels are unique and name files', () => {
    expect(new Set(ROWS.map(({ label }) => label)).size).toBe(ROWS.length);
    expect(ROWS.filter(({ label }) => !/^[\w.-]+$/.test(label))).toEqual([]);
  });

  it('every recipe of the library has a row', () => {
    const named = new Set(ROWS.flatMap(({ subject }) => ('recipe' in subject ? [subject.recipe] : [])));
    expect(RECIPE_NAMES.filter((name) => !named.has(name))).toEqual([]);
  });
});

describe('results', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lab-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  it('lines round-trip', () => expect(parseResults(formatResults(results))).toEqual(results));

  it('parseResults() refuses other lines', () => expect(() => parseResults('{"label":"x"}\n')).toThrow('line 1 is no result'));

  it('put() replaces the line of the same row and windows alone', () => {
    const file = new ResultFile(join(folder, 'soft.jsonl'));
    expect(file.all()).toEqual([]);
    file.put(result('comet', 1.3));
    file.put(result('comet', 1.31, { windows: 147 }));
    file.put(result('comet', 1.25));
    expect(file.all().map(({ windows, quality: { whole } }) => [windows, whole!.ratio])).toEqual([[20, 1.25], [147, 1.31]]);
    expect(readFileSync(file.path, 'utf8').split('\n').length).toBe(3);
    writeFileSync(file.path, '{');
    expect(() => file.all()).toThrow(/^Cannot read .*soft\.jsonl/);
  });
});

describe('page', () => {
  const rows = ['comet', 'comet-50', 'Q4_0'].map(rowOf);
  const page = recipesPage(results, rows, { head: '# Head\n', order: '## Order\n' }, { soft: ['size'], ref: [] });

  it('recipesPage() is the frozen text', () => expect(page).toMatchSnapshot());

  it('recipesPage() leaves out what has no figures, and models from others\' tables', () => {
    expect(page).not.toContain('REF');
    const both = recipesPage([...results, result('w4a8', 1.1, { model: 'ref' })], ROWS, { head: '', order: '' }, { soft: [], ref: [] });
    const [soft, ref] = both.split('## REF');
    expect(soft).toContain('`comet`');
    expect(soft).not.toContain('`w4a8`');
    expect(ref).not.toContain('`comet`');
  });

  it('seriesOf() parts numbers of windows and takes the order of the groups', () => {
    const all = seriesOf([...results, result('comet', 1.29, { windows: 147 })], ROWS, 'soft');
    expect(all.map(({ windows, found }) => [windows, found.map(({ row }) => row.label)])).toEqual([[20, ['comet', 'comet-50', 'Q4_0']], [147, ['comet']]]);
  });

  it('charts show every row and no broken number', () => {
    const [series] = seriesOf(results, ROWS, 'soft');
    const charts = chartsOf(series!);
    expect(Object.keys(charts)).toEqual(['size', 'decode', 'shares']);
    for (const svg of Object.values(charts)) expect(svg).not.toMatch(/NaN|undefined|Infinity/);
    expect(charts.size).toContain('Q4_0: 4.5 bits, ratio 1.1000');
    expect(charts.shares).toContain('comet, 75 % W4A4: 250 tokens/s');
    expect(GROUPS.length).toBeLessThanOrEqual(6); // colours
  });
});

describe('documentation', () => {
  it('is what the kept results say (npm run lab -- --docs)', () => {
    const kept = ['soft', 'ref'].flatMap((model) => new ResultFile(join(root, 'bench', 'lab', 'results', `${model}.jsonl`)).all());
    for (const [path, text] of docsOf(kept)) expect(read(path) === text, `${path} is stale`).toBe(true);
  });

  it('withTable() replaces what lies between the comments', () => {
    const once = withTable('a\n<!-- npm run lab -- --docs -->\nold\n<!-- end -->\nb\n', '| t |\n');
    expect(once).toBe('a\n<!-- npm run lab -- --docs -->\n\n| t |\n\n<!-- end -->\nb\n');
    expect(withTable(once, '| t |\n')).toBe(once);
    expect(() => withTable('', '')).toThrow('between two comments');
  });
});

describe('axes', () => {
  it('linearAxis() ends at round numbers', () => expect(linearAxis([4.2, 8.1], [0, 100]).ticks).toEqual([4, 5, 6, 7, 8, 9]));
  it('logAxis() has its ends at the edges', () => {
    const { place, ticks } = logAxis([0.012, 0.9], [400, 100]);
    expect(ticks).toEqual([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1]);
    expect([place(0.01), place(0.1), place(1)]).toEqual([400, 250, 100]);
  });
});

it('parseFigures() reads what llama-perplexity prints', () => {
  const text = [
    'Mean PPL(Q)                   :  47.709161 ±   8.1', 'Mean PPL(base)                :  40.059617 ±   6.9', 'Mean PPL(Q)/PPL(base)         :   1.190954 ±   0.102730',
    'Mean    KLD:   0.306062 ±   0.04', '99.9%   KLD:   3.030190', '99.0%   KLD:   2.5', 'RMS Δp    : 11.658 ± 1.046 %', 'Same top p: 67.717 ± 4.165 %',
  ].join('\n');
  const found = parseFigures(text);
  expect(found).toMatchObject({ perplexity: 47.709161, ratio: 1.190954, ratioError: 0.10273, meanKl: 0.306062, kl999: 3.03019 });
  expect([found.sameTop, found.rmsChange].map((x) => Number(x.toFixed(6)))).toEqual([0.67717, 0.11658]);
  expect(() => parseFigures('')).toThrow('printed no');
});
