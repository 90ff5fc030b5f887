import { headLine } from '../result.ts';
import { MODEL_NAMES, MODELS, type ModelName } from './models.ts';
import type { LabResult } from './result.ts';
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
const f32Of = (found: readonly Found[]): string => {
  const known = found.flatMap(({ result: { quality: { whole } } }) => (whole ? [whole] : []));
  return known.length === 0 ? '' : ` f32 perplexity: ${(known[0]!.perplexity / known[0]!.ratio).toFixed(3)}.`;
};

function section(all: readonly Series[], charts: readonly Chart[]): string {
  const [main, ...others] = all;
  if (!main) return '';
  const { title, about } = MODELS[main.model];
  const first = main.found[0]!.result;
  const peers = main.found.some(({ row }) => row.group === 'llama.cpp');
  return [
    `## ${title}\n\n${about}\n`,
    `${main.windows} windows of ${main.context} tokens.${f32Of(main.found)} ${headLine({ machine: first.machine, limits: null })}.\n`,
    ...charts.map(image(main.model)),
    `### Quality and size\n\n${qualityTable(main.found)}`,
    ...others.map((series) => `#### ${series.windows} windows of ${series.context} tokens\n\n${f32Of(series.found).trim()}\n\n${qualityTable(series.found)}`),
    ...(peers ? [`### Beside llama.cpp\n\nSecond halves of the windows, ours and theirs; each against f32 in its own runtime.\n\n${halvesTable(main.found)}`] : []),
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
