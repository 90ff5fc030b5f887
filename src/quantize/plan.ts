import { TetradError } from '../core/errors.ts';
import { PANEL } from '../formats/descriptor.ts';
import { ceilTo, padded, segmentPanelBytes } from '../formats/layout.ts';
import { ROW_SCALE_BYTES } from '../formats/row-scales.ts';
import type { ActFormat, FloatFormat, WeightFormat } from '../formats/number-format.ts';
import { FORMAT_VERSION, IMAGE_ALIGNMENT, type ArrayRef, type Linear, type Manifest, type Segment } from '../models/image.ts';
import { linearSpecs, type LinearSpec } from '../models/sites.ts';
import type { WeightStore } from '../models/weights.ts';
import { formatsOf, type Recipe } from './recipe.ts';
import { chunkRows } from './rows.ts';
import { movedBlocks } from './steps/blocks.ts';
import { canTake, lossless } from './steps/source.ts';

/** A contiguous array of the image, or a run of panels of one, and where its bytes come from. */
export type ImagePart = ArrayRef & (
  | { readonly kind: 'vector'; readonly name: string; readonly spec: LinearSpec }
  | { readonly kind: 'permutation'; readonly spec: LinearSpec }
  | { readonly kind: 'rowScales'; readonly spec: LinearSpec; readonly segment: Segment }
  | { readonly kind: 'panels'; readonly spec: LinearSpec; readonly segment: Segment; readonly rows: readonly [first: number, last: number] }
);

/** The whole image before any weight is read: shapes and a recipe determine every offset. */
export interface ImagePlan {
  readonly manifest: Manifest;
  /** By ascending offset. */
  readonly parts: readonly ImagePart[];
}

/** Whether the recipe permutes a linear's input channels. */
export const isPermuted = (recipe: Recipe, spec: LinearSpec): boolean =>
  spec.order !== null && (recipe.transforms.length > 0 || (recipe.split.length > 0 && formatsOf(recipe, spec.site).weight.bits !== 32));

/** The format of a linear's weights; checks that the source's grid fits where the recipe takes it over. */
function weightFormatOf(store: WeightStore, recipe: Recipe, spec: LinearSpec): WeightFormat | FloatFormat {
  const { weight, rounding } = formatsOf(recipe, spec.site);
  if (rounding === 'nearest' && weight.bits !== 'source') return weight;
  const tensors = spec.tensors.map((name) => store.tensor(name));
  const format = weight.bits === 'source' ? lossless(tensors[0]!.grid) : weight;
  const wanted = format && format.bits !== 32 ? format : null;
  const bad = tensors.find(({ grid }) => !wanted || !canTake(grid, wanted) || grid?.hasMin !== tensors[0]!.grid?.hasMin);
  if (!bad && wanted) return wanted;
  const needed = weight.bits === 'source' ? 'Q4_0, Q4_1 or Q8_0, the same for all tensors of one linear' : `a grid with the bits, block and zero of ${JSON.stringify(weight)}`;
  const { name, type } = bad ?? tensors[0]!;
  throw new TetradError('unsupported_type', `Cannot keep the source's weights of ${JSON.stringify(name)}: its type is ${type}, needed is ${needed}`);
}

/** Segments of a linear's (permuted) channels without their arrays. */
function segmentsOf(recipe: Recipe, spec: LinearSpec, weight: WeightFormat | FloatFormat): Omit<Segment, 'data'>[] {
  const { act } = formatsOf(recipe, spec.site);
  if (act.bits === 32) return [{ k: [0, spec.cols], weight }];
  const split = isPermuted(recipe, spec) ? recipe.split[0] : undefined;
  const moved = split ? movedBlocks(spec.cols, act.block, split.share) : 0;
  const start = Math.min(spec.cols, (Math.ceil(spec.cols / act.block) - moved) * act.block);
  const other: ActFormat = { ...act, ...split?.act };
  const segments: Omit<Segment, 'data'>[] = [{ k: [0, start], weight, act }, { k: [start, spec.cols], weight, act: other }];
  return segments.filter(({ k }) => k[0] < k[1]);
}

/** Throws where the store's tensors do not have the shapes that its configuration implies. */
function checkShapes(store: WeightStore, spec: LinearSpec): void {
  const tensors = spec.tensors.map((name) => store.tensor(name));
  const rows = tensors.reduce((sum, tensor) => sum + tensor.rows, 0);
  if (rows === spec.rows && tensors.every((tensor) => tensor.cols === spec.cols)) return;
  const found = tensors.map((tensor) => `${tensor.name} [${tensor.rows}, ${tensor.cols}]`).join(', ');
  throw new TetradError('invalid_file', `Cannot quantise ${spec.name}: found ${found}, needed are ${spec.rows} rows of ${spec.cols}`);
}

/** Lays the image out. Throws `unsupported_type` where a source grid that the recipe keeps does not fit. */
export function planImage(store: WeightStore, recipe: Recipe): ImagePlan {
  const linears: Record<string, Linear> = {};
  const vectors: Record<string, ArrayRef> = {};
  const parts: ImagePart[] = [];
  let end = 0;
  const place = (bytes: number): ArrayRef => {
    const offset = ceilTo(end, IMAGE_ALIGNMENT);
    end = offset + bytes;
    return { offset, bytes };
  };
  const panels = (spec: LinearSpec, segment: Omit<Segment, 'data'>): Segment => {
    const count = padded(spec.rows) / PANEL;
    const panel = segmentPanelBytes(segment.weight, segment.k[1] - segment.k[0]);
    const data = place(count * panel);
    const planned = { ...segment, data };
    const step = Math.max(1, Math.floor(chunkRows(spec.cols) / PANEL));
    for (let first = 0; first < count; first += step) {
      const last = Math.min(count, first + step);
      const rows = [first * PANEL, Math.min(spec.rows, last * PANEL)] as const;
      parts.push({ kind: 'panels', offset: data.offset + first * panel, bytes: (last - first) * panel, spec, segment: planned, rows });
    }
    return planned;
  };
  for (const spec of linearSpecs(store.config)) {
    checkShapes(store, spec);
    if (spec.norm) {
      vectors[spec.norm] = place(spec.cols * 4);
      parts.push({ kind: 'vector', ...vectors[spec.norm]!, name: spec.norm, spec });
    }
    const permute = isPermuted(recipe, spec) && spec.order === 'gather' ? place(spec.cols * 4) : null;
    if (permute) parts.push({ kind: 'permutation', ...permute, spec });
    const weight = weightFormatOf(store, recipe, spec);
    const segments = segmentsOf(recipe, spec, weight).map((segment) => {
      if (weight.bits === 32 || weight.scale !== 'u8') return panels(spec, segment);
      const rowScales = place(padded(spec.rows) * ROW_SCALE_BYTES);
      const at = parts.length;
      const planned = panels(spec, { ...segment, rowScales });
      parts.splice(at, 0, { kind: 'rowScales', ...rowScales, spec, segment: planned });
      return planned;
    });
    linears[spec.name] = { rows: spec.rows, cols: spec.cols, ...(permute && { permute }), segments };
  }
  const { config, tokenizer, provenance } = store;
  const bytes = ceilTo(end, IMAGE_ALIGNMENT);
  const manifest: Manifest = {
    format: 'tetrad', version: FORMAT_VERSION, config, tokenizer, linears, vectors, bytes, kv: recipe.kv, provenance: { ...provenance, recipe },
  };
  return { manifest, parts };
}
