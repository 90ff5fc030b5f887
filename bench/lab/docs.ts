import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeText } from '../result.ts';
import { median } from '../timing.ts';
import { root } from './build.ts';
import { scatterSvg, type Point } from './charts/scatter.ts';
import { sharesSvg, type ShareCurve } from './charts/shares.ts';
import { MODEL_NAMES, MODELS, type ModelName } from './models.ts';
import { CHARTS, recipesPage, seriesOf, type Chart, type Series } from './page.ts';
import type { LabResult, ResultFile } from './result.ts';
import { GROUPS, ROWS } from './rows.ts';

const seriesNumber = (group: (typeof GROUPS)[number]): number => GROUPS.indexOf(group);

/** Rows of our runtime by something that each has; rows without it are left out. */
function pointsOf({ found }: Series, value: (result: LabResult) => number | null): Point[] {
  return found.flatMap(({ row: { label, group }, result }) => {
    const x = value(result);
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
    ...(size.length > 0 && { size: scatterSvg(size, { title: title('size'), below: `${windows}; llama.cpp's rows: second halves of them`, x: 'bits per weight of the layers', unit: 'bits', names: GROUPS }) }),
    ...(decode.length > 0 && { decode: scatterSvg(decode, { title: title('decode'), below: `${windows}; one thread, fastest kernels; llama.cpp's rows run natively`, x: 'tokens per second', unit: 'tokens/s', names: GROUPS }) }),
    ...(curves.length > 0 && { shares: sharesSvg(curves, title('shares'), windows) }),
  };
}

const textOf = (name: string): string => readFileSync(join(import.meta.dirname, name), 'utf8');

/** Writes docs/recipes.md and its pictures from the results. */
export function writeDocs(files: readonly ResultFile[]): void {
  const results = files.flatMap((file) => file.all());
  const charts: Record<ModelName, Partial<Record<Chart, string>>> = { soft: {}, ref: {} };
  for (const model of MODEL_NAMES) {
    const [main] = seriesOf(results, ROWS, model);
    if (main) charts[model] = chartsOf(main);
    for (const [name, svg] of Object.entries(charts[model])) writeText(join(root, 'docs', 'img', `${model}-${name}.svg`), svg);
  }
  const names = (model: ModelName): Chart[] => Object.keys(charts[model]) as Chart[];
  const texts = { head: textOf('head.md'), order: textOf('order.md') };
  writeText(join(root, 'docs', 'recipes.md'), recipesPage(results, ROWS, texts, { soft: names('soft'), ref: names('ref') }));
}
