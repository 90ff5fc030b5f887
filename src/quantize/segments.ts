import { PANEL } from '../formats/descriptor.ts';
import type { ActFormat, FloatFormat, WeightFormat } from '../formats/number-format.ts';
import type { Segment } from '../models/image.ts';
import type { LinearSpec } from '../models/sites.ts';
import { formatsOf, isIntegerAct, stepOf, type Recipe } from './recipe.ts';
import type { Block, BlockSite } from './schema.ts';

/** A segment before it has a place in the image. */
export type SegmentShape = Omit<Segment, 'data' | 'rowScales' | 'actScales'>;

/** Sites that a step names; all of the blocks where it names none. */
export const appliesTo = (step: { readonly sites?: readonly BlockSite[] } | null, spec: LinearSpec): boolean =>
  step !== null && spec.site !== 'output' && (step.sites?.some((site) => site === spec.site) ?? true);

/** Whether the runtime rotates a linear's input. */
export const isRotated = (recipe: Recipe, spec: LinearSpec): boolean => stepOf(recipe, 'rotate')?.online.some((site) => site === spec.site) ?? false;

/** How a linear's input may be permuted. Behind a rotation there are no rows to fold an order into. */
export const orderKind = (recipe: Recipe, spec: LinearSpec): LinearSpec['order'] => (spec.order === 'fold' && isRotated(recipe, spec) ? 'gather' : spec.order);

const choosesBlocks = (recipe: Recipe, spec: LinearSpec): boolean => {
  const { act } = formatsOf(recipe, spec);
  return stepOf(recipe, 'blocks') !== null && spec.site !== 'output' && isIntegerAct(act) && act.block !== 'row';
};

/** Whether the recipe permutes a linear's input channels. */
export const isPermuted = (recipe: Recipe, spec: LinearSpec): boolean =>
  orderKind(recipe, spec) !== null && formatsOf(recipe, spec).weight.bits !== 32
  && (appliesTo(stepOf(recipe, 'reorder'), spec) || appliesTo(stepOf(recipe, 'columns'), spec) || choosesBlocks(recipe, spec));

/** Channels at the end of a linear's order that the recipe treats as outliers; segments begin at whole vectors. */
export function outlierColumns(recipe: Recipe, spec: LinearSpec): number {
  const columns = stepOf(recipe, 'columns');
  if (!columns || !appliesTo(columns, spec) || !isPermuted(recipe, spec)) return 0;
  const start = Math.round((spec.cols * (1 - columns.share)) / PANEL) * PANEL;
  return Math.max(0, spec.cols - start);
}

/** The activation blocks among which the recipe chooses: of a linear's channels without its outliers. null: there is no choice. */
export function blockChoice(recipe: Recipe, spec: LinearSpec): { readonly act: ActFormat & { readonly block: number }; readonly step: Block<'blocks'>; readonly count: number } | null {
  const { act } = formatsOf(recipe, spec);
  const step = stepOf(recipe, 'blocks');
  if (!step || !choosesBlocks(recipe, spec) || !isIntegerAct(act) || act.block === 'row') return null;
  return { act: { ...act, block: act.block }, step, count: Math.ceil((spec.cols - outlierColumns(recipe, spec)) / act.block) };
}

/**
 * Segments of a linear's (permuted) channels: the recipe's own activations, then `moved` blocks of the other width, then outliers.
 */
export function segmentsOf(recipe: Recipe, spec: LinearSpec, weight: WeightFormat | FloatFormat, moved: number): SegmentShape[] {
  const { act } = formatsOf(recipe, spec);
  const end = spec.cols - outlierColumns(recipe, spec);
  const choice = blockChoice(recipe, spec);
  const start = choice ? Math.max(0, (choice.count - moved) * choice.act.block) : end;
  const own = isIntegerAct(act) ? { act } : {};
  const segments: SegmentShape[] = [{ k: [0, Math.min(start, end)], weight, ...own }];
  if (choice) segments.push({ k: [Math.min(start, end), end], weight, act: { ...choice.act, ...choice.step.act } as ActFormat });
  const columns = stepOf(recipe, 'columns');
  if (columns) segments.push({ k: [end, spec.cols], weight: columns.weight, ...(isIntegerAct(columns.act) ? { act: columns.act } : {}) });
  return segments.filter(({ k }) => k[0] < k[1]);
}
