import { headLine } from '../result.ts';
import { MODEL_NAMES, MODELS, type ModelName } from './models.ts';
import type { LabResult, Quality } from './result.ts';
import { GROUPS, type LabRow } from './rows.ts';
import { costTable, halvesTable, qualityTable, recipeTable, type Found } from './tables.ts';

/** Rows of one model that were measured on the same windows, in the order of groups and rows. */
export interface Series {
  readonly model: ModelName;
  readonly windows: number;
  readonly context: number;
  readonly found: readonly Found[];
}

/** The series of each model, the longest first. */
export function seriesOf(results: readonly LabResult[], rows: readonly LabRow[], model: ModelName): Series[] {
  const ordered = GROUPS.flatMap((group) => rows.filter((row) => row.group === group));
  const own = results.filter((result) => result.model === model);
  const keys = [...new Set(own.map(({ windows, context }) => `${windows}x${context}`))];
  return keys.map((key): Series => {
    const same = own.filter(({ windows, context }) => `${windows}x${context}` === key);
    const found = ordered.flatMap((row) => same.filter(({ label }) => label === row.label).map((result) => ({ row, result })));
    return { model, windows: same[0]!.windows, context: same[0]!.context, found };
  }).filter(({ found }) => found.length > 0).sort((a, b) => b.found.length - a.found.length || b.windows - a.windows);
}

const command = ({ model, windows, context }: Series, label: string): string =>
  `npm run lab -- --models ${model} --rows ${label}${windows === 20 ? '' : ` --windows ${windows}`}${context === 2048 ? '' : ` --context ${context}`}`;

/** Charts of a model's first series by the end of their file's name, and what they show. */
export const CHARTS = {
  size: 'perplexity against size',
  decode: 'perplexity against decoding speed',
  shares: 'perplexity and prefill speed against the share of W4A4 work',
} as const;
export type Chart = keyof typeof CHARTS;

const image = (model: ModelName) => (name: Chart): string => `![${MODELS[model].file}: ${CHARTS[name]}](img/${model}-${name}.svg)\n`;
/** What the f32 model of some rows came to: `21.197`. */
const f32Of = ([first]: readonly Quality[]): string => (first ? (first.perplexity / first.ratio).toFixed(3) : '-');
const wholes = (found: readonly Found[]): Quality[] => found.flatMap(({ result: { quality: { whole } } }) => (whole ? [whole] : []));

/** Our rows and llama.cpp's over the same halves of windows; nothing where it has none. */
function besideText(found: readonly Found[]): string[] {
  const theirs = found.filter(({ row }) => row.group === 'llama.cpp');
  if (theirs.length === 0) return [];
  const halves = (of: readonly Found[]): Quality[] => of.map(({ result }) => result.quality.halves);
  const exact = `f32 comes to ${f32Of(halves(found.filter((one) => !theirs.includes(one))))} here and to ${f32Of(halves(theirs))} in llama.cpp.`;
  return [`### Beside llama.cpp\n\nSecond halves of the windows, each row against f32 in its own runtime: ${exact}\n\n${halvesTable(found)}`];
}

function section(all: readonly Series[], charts: readonly Chart[]): string {
  const [main, ...others] = all;
  if (!main) return '';
  const { title, about } = MODELS[main.model];
  const first = main.found[0]!.result;
  return [
    `## ${title}\n\n${about}\n`,
    `${main.windows} windows of ${main.context} tokens; f32 perplexity ${f32Of(wholes(main.found))}. ${headLine({ machine: first.machine, limits: null })}.\n`,
    ...charts.map(image(main.model)),
    `### Quality and size\n\n${qualityTable(main.found)}`,
    ...others.map((series) => `#### ${series.windows} windows of ${series.context} tokens\n\nf32 perplexity ${f32Of(wholes(series.found))}.\n\n${qualityTable(series.found)}`),
    ...besideText(main.found),
    `### Speed and time\n\nTokens per second on one thread, medians: a prompt of 512 tokens, then 64 tokens one by one, on the fastest kernels and on plain simd128.\n\n${costTable(main.found)}`,
    `### What each row is\n\n${recipeTable(main.found)}`,
    `One command measures a row:\n\n\`\`\`sh\n${all.flatMap((series) => series.found.map(({ row: { label } }) => command(series, label))).join('\n')}\n\`\`\`\n`,
  ].join('\n');
}

/** docs/recipes.md: `head` and `order` are written by hand; `charts` are those that there are of each model. */
export function recipesPage(
  results: readonly LabResult[], rows: readonly LabRow[], texts: { readonly head: string; readonly order: string }, charts: Readonly<Record<ModelName, readonly Chart[]>>,
): string {
  const sections = MODEL_NAMES.map((model) => section(seriesOf(results, rows, model), charts[model])).filter((text) => text !== '');
  return `${[texts.head.trim(), texts.order.trim(), ...sections.map((text) => text.trim())].join('\n\n')}\n`;
}
