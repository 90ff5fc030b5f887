import { cacheText } from '../../src/surfaces/cli/model-facts.ts';
import type { Recipe } from '../../src/quantize/recipe.ts';

/** What a recipe says, in few words. */

const percent = (share: number): string => `${Number((share * 100).toFixed(2))} %`;
const joined = (...parts: readonly (string | false | undefined)[]): string => parts.filter(Boolean).join(', ');

export function weightText(weight: Recipe['weight']): string {
  if (weight.bits === 'source') return "the source's grid";
  return 'scale' in weight ? `${weight.bits} bits / ${weight.block}, ${weight.scale} ${weight.zero}` : `f${weight.bits}`;
}

export function actText(act: Recipe['act']): string {
  if (act.bits === 32) return 'f32';
  return joined(`${act.bits} bits / ${act.block}`, act.zero, act.range, act.clip < 1 && `clip ${act.clip}`, act.outliers !== undefined && `f32 from ${act.outliers}`);
}

export function kvText(kv: Recipe['kv']): string {
  if (kv.bits !== 4 || !('keyGroup' in kv)) return cacheText(kv);
  const { keyGroup, valueGroup, firstPage } = kv;
  return `4 bits by channels${keyGroup === 32 && valueGroup === 32 && firstPage === 8 ? '' : `, ${keyGroup} / ${valueGroup}, first page ${firstPage}`}`;
}

function transformText(step: Recipe['transforms'][number]): string {
  switch (step.kind) {
    case 'rotate': return `rotate ${joined(step.residual && 'hidden states', step.heads && 'heads', step.online.length > 0 && `online ${step.online.join(' and ')}`)}`;
    case 'smooth': {
      const { rule } = step;
      const how = rule.by === 'power' ? `powers ${rule.activations} and ${rule.weights}` : rule.by === 'percentile' ? `largest ${percent(rule.share)}` : `search of ${rule.steps}`;
      return `smooth ${step.sites.join(', ')} by ${how}`;
    }
    case 'smoothKeys': return `smooth keys by power ${step.power}`;
    case 'reorder': return `order by ${step.by}${step.sites ? ` at ${step.sites.join(', ')}` : ''}`;
  }
}

function splitText(step: Recipe['split'][number]): string {
  switch (step.kind) {
    case 'blocks': return `${step.share === undefined ? `blocks above ${step.threshold} medians` : `${percent(step.share)} of blocks${step.over === 'model' ? ' of the model' : ''}`} at ${step.act.bits} bits, by ${step.by ?? 'error'}`;
    case 'columns': return `${percent(step.share)} of channels as ${weightText(step.weight)} x ${actText(step.act)}`;
    case 'sparse': return `${percent(step.share)} of weights as f16`;
    case 'lowRank': return `branch of rank ${step.rank}, ${step.iterations} rounds`;
  }
}

const ORDERS = { given: '', energy: 'by energy', blocks: 'blocks by energy' };

function roundingText(rounding: Recipe['rounding']): string {
  if (typeof rounding === 'string') return rounding;
  const { damping, order, groups, inputs, attention, sweeps, skip, correction } = rounding;
  return joined(
    `compensated, damping ${damping}`, ORDERS[order], `${groups} grids`, `${inputs} inputs`, attention && 'attention average',
    skip > 0 && `without the first ${skip === 1 ? 'token' : `${skip} tokens`}`, correction > 0 && `${percent(correction)} of drift made up for`, sweeps > 0 && `${sweeps} sweep${sweeps === 1 ? '' : 's'}`,
  );
}

function clipText(clip: Recipe['clip']): string {
  if (clip === undefined) return 'by least squares';
  switch (clip.by) {
    case 'range': return clip.ratio === 1 ? 'none' : `range x ${clip.ratio}`;
    case 'leastSquares': return 'by least squares';
    case 'ends': return 'search of both ends';
    case 'error': return `search of ${clip.steps}, |error|^${clip.power}`;
    case 'output': return `search of ${clip.steps}, outputs`;
  }
}

/** `layer 0`, `the last layer`, `layers 3 to -2`. */
function layersText([first, last]: readonly [number, number]): string {
  if (first !== last) return `layers ${first} to ${last}`;
  return first === -1 ? 'the last layer' : `layer ${first}`;
}

function ruleText({ match: { site, layers }, weight, act }: Recipe['sites'][number]): string {
  const where = layers ? `${site} of ${layersText(layers)}` : site;
  return `${where}: ${joined(weight && weightText(weight), act && `x ${actText(act)}`) || 'other rounding'}`;
}

/** More rules are only counted. */
const MOST_RULES = 6;

function rulesText({ sites }: Recipe): string[] {
  const own = sites.filter(({ match: { site } }) => site !== 'output');
  return own.length > MOST_RULES ? [`${own.length} rules by site and layer`] : own.map(ruleText);
}

/** Every step, one after another; the output layer is left out. */
export const stepsText = (recipe: Recipe): string => [
  ...recipe.transforms.map(transformText), ...recipe.split.map(splitText), `rounding ${roundingText(recipe.rounding)}`, `clips ${clipText(recipe.clip)}`, ...rulesText(recipe),
].join('; ');
