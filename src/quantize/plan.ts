import { TetradError } from '../core/errors.ts';
import { PANEL } from '../formats/descriptor.ts';
import { ceilTo, floatPanelBytes, padded, segmentPanelBytes } from '../formats/layout.ts';
import { isCodes, type FloatFormat, type WeightFormat } from '../formats/number-format.ts';
import { hasRowScales, ROW_SCALE_BYTES } from '../formats/row-scales.ts';
import { actBlocks, FORMAT_VERSION, IMAGE_ALIGNMENT, type ArrayRef, type Branch, type Linear, type Manifest, type Segment } from '../models/image.ts';
import { linearSpecs, vectorSizes, type LinearSpec } from '../models/sites.ts';
import type { WeightStore } from '../models/weights.ts';
import { checkLayers } from './parse.ts';
import { formatsOf, stepOf, type Recipe } from './recipe.ts';
import { sparseCount } from './rounding/sparse.ts';
import { isPermuted, isRotated, orderKind, segmentsOf, type SegmentShape } from './segments.ts';
import { canTake, lossless } from './steps/source.ts';

/** A linear with its place in the image. */
export interface PlannedLinear {
  readonly spec: LinearSpec;
  readonly linear: Linear;
  /** The vector of the norm in front of it. */
  readonly norm: ArrayRef | null;
  /** Constants of a static KV cache. */
  readonly kv: ArrayRef | null;
}

/** A contiguous range of the image that is made at once: a layer, or a table. */
export interface ImageGroup {
  readonly offset: number;
  readonly bytes: number;
  readonly layer: number | null;
  readonly linears: readonly PlannedLinear[];
}

/** The whole image before any weight is read: shapes, a recipe and the numbers of moved blocks determine every offset. */
export interface ImagePlan {
  readonly manifest: Manifest;
  /** By ascending offset, without gaps. */
  readonly groups: readonly ImageGroup[];
}

/** The format of a linear's weights; checks that the source's grid fits where the recipe takes it over. */
function weightFormatOf(store: WeightStore, recipe: Recipe, spec: LinearSpec): WeightFormat | FloatFormat {
  const { weight, rounding } = formatsOf(recipe, spec);
  if (rounding !== 'source' && weight.bits !== 'source') return weight;
  const tensors = spec.tensors.map((name) => store.tensor(name));
  const format = weight.bits === 'source' ? lossless(tensors[0]!.grid) : weight;
  const wanted = format && 'scale' in format ? format : null;
  const bad = tensors.find(({ grid }) => !wanted || !canTake(grid, wanted) || grid?.hasMin !== tensors[0]!.grid?.hasMin);
  if (!bad && wanted) return wanted;
  const needed = weight.bits === 'source' ? 'Q4_0, Q4_1 or Q8_0, the same for all tensors of one linear' : `a grid with the bits, block and zero of ${JSON.stringify(weight)}`;
  const { name, type } = bad ?? tensors[0]!;
  throw new TetradError('unsupported_type', `Cannot keep the source's weights of ${JSON.stringify(name)}: its type is ${type}, needed is ${needed}`);
}

/** Throws where the store's tensors do not have the shapes that its configuration implies. */
function checkShapes(store: WeightStore, spec: LinearSpec): void {
  const tensors = spec.tensors.map((name) => store.tensor(name));
  const rows = tensors.reduce((sum, tensor) => sum + tensor.rows, 0);
  if (rows === spec.rows && tensors.every((tensor) => tensor.cols === spec.cols)) return;
  const found = tensors.map((tensor) => `${tensor.name} [${tensor.rows}, ${tensor.cols}]`).join(', ');
  throw new TetradError('invalid_file', `Cannot quantise ${spec.name}: found ${found}, needed are ${spec.rows} rows of ${spec.cols}`);
}

/** Gives an array the next place in the image. */
type PlaceArray = (bytes: number) => ArrayRef;

function placeSegment(spec: LinearSpec, shape: SegmentShape, place: PlaceArray): Segment {
  const { k, weight, act } = shape;
  const length = k[1] - k[0];
  const rowScales = hasRowScales(weight) ? { rowScales: place(padded(spec.rows) * ROW_SCALE_BYTES) } : {};
  const actScales = act?.range === 'static' ? { actScales: place(actBlocks(act, length) * 8) } : {};
  return { ...shape, ...rowScales, ...actScales, data: place((padded(spec.rows) / PANEL) * segmentPanelBytes(weight, length)) };
}

/** Bits of the factors of low-rank branches. */
export const LOW_RANK_BITS = 16;

function placeBranches(recipe: Recipe, { rows, cols, site }: LinearSpec, place: PlaceArray): Branch[] {
  const branches: Branch[] = [];
  const [low, sparse] = site === 'output' ? [null, null] : [stepOf(recipe, 'lowRank'), stepOf(recipe, 'sparse')];
  const panels = padded(rows) / PANEL;
  if (low) {
    const { rank } = low;
    branches.push({
      kind: 'lowRank', rank, bits: LOW_RANK_BITS,
      down: place((rank / PANEL) * floatPanelBytes(cols, LOW_RANK_BITS)), up: place(panels * floatPanelBytes(rank, LOW_RANK_BITS)),
    });
  }
  if (sparse) {
    const entries = Array.from({ length: panels }, (_, i) => sparseCount(sparse.share, Math.min(PANEL, rows - i * PANEL), cols)).reduce((a, b) => a + b, 0);
    branches.push({ kind: 'sparse', starts: place((rows + 1) * 4), entries: place(entries * 4) });
  }
  return branches;
}

/**
 * Lays the image out. `moved`: activation blocks of another width, by linear. Throws `unsupported_type` where a source grid that the recipe keeps does
 * not fit, `invalid_recipe` where its rules name layers that are not there.
 */
export function planImage(store: WeightStore, recipe: Recipe, moved: ReadonlyMap<string, number> = new Map()): ImagePlan {
  checkLayers(recipe, store.config.layers);
  const linears: Record<string, Linear> = {};
  const vectors: Record<string, ArrayRef> = {};
  const groups: { offset: number; bytes: number; layer: number | null; linears: PlannedLinear[] }[] = [];
  const sizes = vectorSizes(store.config, recipe.kv);
  let end = 0;
  const place: PlaceArray = (bytes) => {
    const offset = ceilTo(end, IMAGE_ALIGNMENT);
    end = offset + bytes;
    return { offset, bytes };
  };
  const placeVector = (name: string | undefined): ArrayRef | null => {
    const length = name === undefined ? undefined : sizes.get(name);
    if (name === undefined || length === undefined) return null;
    return (vectors[name] = place(length * 4));
  };
  for (const spec of linearSpecs(store.config)) {
    checkShapes(store, spec);
    const last = groups.at(-1);
    const offset = ceilTo(end, IMAGE_ALIGNMENT);
    const group = last && spec.layer !== null && last.layer === spec.layer ? last : { offset, bytes: 0, layer: spec.layer, linears: [] };
    if (group !== last) groups.push(group);
    const norm = placeVector(spec.norm ?? undefined);
    const kv = isCodes(recipe.kv) && spec.site === 'attn.qkv' ? placeVector(spec.norm?.replace(/norm$/, 'kv')) : null;
    const gathers = isPermuted(recipe, spec) && orderKind(recipe, spec) === 'gather';
    const permute = gathers ? { permute: place(spec.cols * 4) } : {};
    const rotate = isRotated(recipe, spec) ? { rotate: true as const } : {};
    const weight = weightFormatOf(store, recipe, spec);
    const segments = segmentsOf(recipe, spec, weight, moved.get(spec.name) ?? 0).map((shape) => placeSegment(spec, shape, place));
    const branches = placeBranches(recipe, spec, place);
    const linear: Linear = { rows: spec.rows, cols: spec.cols, ...rotate, ...permute, segments, ...(branches.length > 0 && { branches }) };
    linears[spec.name] = linear;
    group.linears.push({ spec, linear, norm, kv });
  }
  const bytes = ceilTo(end, IMAGE_ALIGNMENT);
  groups.forEach((group, i) => (group.bytes = (groups[i + 1]?.offset ?? bytes) - group.offset));
  const { config, tokenizer, provenance } = store;
  const rotated = stepOf(recipe, 'rotate')?.residual ? { rotated: true as const } : {};
  const manifest: Manifest = {
    format: 'tetrad', version: FORMAT_VERSION, config, tokenizer, linears, vectors, bytes, ...rotated, kv: recipe.kv, provenance: { ...provenance, recipe },
  };
  return { manifest, groups };
}
