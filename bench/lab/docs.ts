import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeText } from '../result.ts';
import { median } from '../timing.ts';
import { root } from './build.ts';
import { BITS, linearAxis, logAxis } from './charts/axes.ts';
import { scatterSvg, type Point } from './charts/scatter.ts';
import { sharesSvg, type ShareCurve } from './charts/shares.ts';
import { MODEL_NAMES, MODELS, type ModelName } from './models.ts';
import { CHARTS, recipesPage, seriesOf, type Chart, type Series } from './page.ts';
import type { LabResult, ResultFile } from './result.ts';
import { GROUPS, ROWS } from './rows.ts';
import { shortTable } from './tables.ts';

const seriesNumber = (group: (typeof GROUPS)[number]): number => GROUPS.indexOf(group);

/** Rows by something that each has; those without it, and the points of a curve beside the recipe itself, are left out. */
function pointsOf({ found }: Series, value: (result: LabResult) => number | null): Point[] {
  return found.flatMap(({ row: { label, group, curve }, result }) => {
    const x = curve !== undefined && curve !== label ? null : value(result);
    return x === null ? [] : [{ label, series: seriesNumber(group), x, ratio: (result.quality.whole ?? result.quality.halves).ratio }];
  });
}

function curvesOf({ found }: Series): ShareCurve[] {
  const names = [...new Set(found.flatMap(({ row: { curve } }) => (curve === undefined ? [] : [curve])))];
  return names.map((name) => ({
    name,
    points: found.filter(({ row }) => row.curve === name).flatMap(({ result: { size, quality: { whole }, speed } }) =>
      (whole && size.share4 !== null ? [{ share: size.share4, ratio: whole.ratio, prefill: speed?.plain ? median(speed.plain.prefill) : null }] : [])),
  }));
}

/** A model's pictures; those for which there are no figures are left out. */
export function chartsOf(series: Series): Partial<Record<Chart, string>> {
  const { file } = MODELS[series.model];
  const title = (chart: Chart): string => `${file}: ${CHARTS[chart]}`;
  const windows = `WikiText-2, ${series.windows} windows of ${series.context} tokens`;
  const size = pointsOf(series, ({ size: { bits } }) => (bits < 16 ? bits : null));
  const decode = pointsOf(series, ({ speed }) => (speed ? median(speed.best.decode) : null));
  const curves = curvesOf(series).filter(({ points }) => points.length > 1);
  return {
    ...(size.length > 0 && { size: scatterSvg(size, { title: title('size'), below: `${windows}; llama.cpp's rows: second halves of them`, x: 'bits per weight of the layers', unit: 'bits', axis: (values, edge) => logAxis(values, edge, BITS), names: GROUPS }) }),
    ...(decode.length > 0 && { decode: scatterSvg(decode, { title: title('decode'), below: `${windows}; one thread, fastest kernels; llama.cpp's rows run natively`, x: 'tokens per second', unit: 'tokens/s', axis: linearAxis, names: GROUPS }) }),
    ...(curves.length > 0 && { shares: sharesSvg(curves, title('shares'), windows) }),
  };
}

const textOf = (name: string): string => readFileSync(join(import.meta.dirname, name), 'utf8');

/** The README's text with its table of recipes, which stands between two comments, made anew. */
export function withTable(readme: string, table: string): string {
  const [begin, end] = ['<!-- npm run lab -- --docs -->\n', '<!-- end -->'];
  const [from, to] = [readme.indexOf(begin) + begin.length, readme.indexOf(end)];
  if (from < begin.length || to < from) throw new Error('Cannot find the table of recipes in README.md: it must lie between two comments');
  return `${readme.slice(0, from)}\n${table}\n${readme.slice(to)}`;
}

/** Text files of the documentation by path, all made from results. */
export function docsOf(results: readonly LabResult[]): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  const charts: Record<ModelName, Chart[]> = { soft: [], ref: [] };
  for (const model of MODEL_NAMES) {
    const [main] = seriesOf(results, ROWS, model);
    for (const [name, svg] of Object.entries(main ? chartsOf(main) : {})) {
      charts[model].push(name as Chart);
      files.set(`docs/img/${model}-${name}.svg`, svg);
    }
  }
  files.set('docs/recipes.md', recipesPage(results, ROWS, { head: textOf('head.md'), order: textOf('order.md') }, charts));
  const [soft] = seriesOf(results, ROWS, 'soft');
  const table = shortTable(ROWS, soft?.found.map(({ result }) => result) ?? []);
  return files.set('README.md', withTable(readFileSync(join(root, 'README.md'), 'utf8'), table));
}

export function writeDocs(files: readonly ResultFile[]): void {
  for (const [path, text] of docsOf(files.flatMap((file) => file.all()))) writeText(join(root, path), text);
}
