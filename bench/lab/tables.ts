import { recipe as named } from '../../src/quantize/registry.ts';
import { markdown, percent } from '../result.ts';
import { median } from '../timing.ts';
import { actText, kvText, stepsText, weightText } from './facts.ts';
import type { LabResult, Quality, Speed } from './result.ts';
import type { LabRow } from './rows.ts';

/** A row with what was found; rows without figures are in no table. */
export interface Found {
  readonly row: LabRow;
  readonly result: LabResult;
}

const share = (value: number): string => `${(value * 100).toFixed(value < 0.1 ? 2 : 1)} %`;
const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);
const qualityCells = ({ perplexity, ratio, ratioError, meanKl, kl999, sameTop, rmsChange }: Quality): string[] =>
  [perplexity.toFixed(3), `${ratio.toFixed(4)} ± ${ratioError.toFixed(4)}`, meanKl.toFixed(4), kl999.toFixed(3), share(sameTop), share(rmsChange)];
const QUALITY = ['>perplexity', '>ratio', '>mean KL', '>99.9 % KL', '>same top-1', '>RMS Δp'];
const nameOf = ({ row }: Found): string => `\`${row.label}\``;

const rate = (speed: Speed | null | undefined, of: 'prefill' | 'decode'): string => {
  if (!speed) return '-';
  const middle = median(speed[of]);
  return middle.toFixed(middle < 100 ? 1 : 0);
};

/** Over whole windows. */
export function qualityTable(found: readonly Found[]): string {
  const rows = found.flatMap((one) => {
    const { recipe, size, quality: { whole } } = one.result;
    if (!whole) return [];
    const formats = recipe ? [weightText(recipe.weight), actText(recipe.act), kvText(recipe.kv)] : ['-', '-', '-'];
    return [[nameOf(one), ...formats, size.bits.toFixed(2), megabytes(size.bytes), size.share4 === null ? '-' : percent(size.share4), ...qualityCells(whole)]];
  });
  return markdown(['row', 'weights', 'activations', 'cache', '>bits per weight', '>file, MB', '>W4A4 work', ...QUALITY], rows);
}

/** Beside another runtime: second halves of the windows. */
export function halvesTable(found: readonly Found[]): string {
  const rows = found.filter(({ row }) => row.beside).map((one) => {
    const { size, quality: { halves }, speed } = one.result;
    return [nameOf(one), one.row.group === 'llama.cpp' ? 'llama.cpp, native' : 'ours', size.bits.toFixed(2), megabytes(size.bytes), ...qualityCells(halves), rate(speed?.best, 'prefill'), rate(speed?.best, 'decode')];
  });
  return markdown(['row', 'runtime', '>bits per weight', '>file, MB', ...QUALITY, '>prefill', '>decode'], rows);
}

const minutes = (seconds: number | null): string => (seconds === null ? '-' : seconds < 60 ? `${seconds.toFixed(0)} s` : `${(seconds / 60).toFixed(1)} min`);
/** The steps that took longest. */
const spent = (timings: LabResult['timings']): string =>
  Object.entries(timings).filter(([, seconds]) => seconds >= 1).sort(([, a], [, b]) => b - a).slice(0, 3).map(([step, seconds]) => `${step} ${minutes(seconds)}`).join(', ');

/** Speeds and what quantising took. */
export function costTable(found: readonly Found[]): string {
  const rows = found.filter(({ row }) => row.group !== 'llama.cpp').map((one) => {
    const { speed, seconds, timings } = one.result;
    return [nameOf(one), rate(speed?.best, 'prefill'), rate(speed?.best, 'decode'), rate(speed?.plain, 'prefill'), rate(speed?.plain, 'decode'), minutes(seconds), spent(timings)];
  });
  return markdown(['row', '>prefill', '>decode', '>prefill, simd128', '>decode, simd128', '>quantising', 'of that'], rows);
}

const optionsOf = ({ row: { subject } }: Found): string => {
  if ('embedded' in subject) return 'the embedded model';
  if ('gguf' in subject) return `llama-quantize ${subject.gguf}, cache f16`;
  return `\`${[`--recipe ${subject.recipe}`, ...(subject.set ?? []).map((set) => `--set ${/["{]/.test(set) ? `'${set}'` : set}`)].join(' ')}\``;
};

/** What each row is. */
export function recipeTable(found: readonly Found[]): string {
  const rows = found.map((one) => {
    const { recipe } = one.result;
    const about = [one.row.note, one.row.note === undefined && recipe?.paper].filter(Boolean).join('; ');
    return [nameOf(one), optionsOf(one), recipe ? stepsText(recipe) : '-', about];
  });
  return markdown(['row', 'options', 'steps', 'note or paper'], rows);
}

/** Of the library's recipes alone, for the README; a dash where nothing is measured. */
export function shortTable(rows: readonly LabRow[], results: readonly LabResult[]): string {
  const own = rows.flatMap(({ label, subject }) => ('recipe' in subject && !subject.set && subject.recipe === label ? [named(label)] : []));
  const cells = own.map(({ name, description }) => {
    const found = results.find(({ label }) => label === name);
    return [`\`${name}\``, description, found?.size.bits.toFixed(2) ?? '-', found?.quality.whole?.ratio.toFixed(3) ?? '-', rate(found?.speed?.best, 'decode')];
  });
  return markdown(['recipe', 'what', '>bits per weight', '>perplexity over f32', '>decoding, tokens/s'], cells);
}
