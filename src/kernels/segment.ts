import {
  ROW_BLOCK, SEGMENT_BYTES, SEG_ACT_BITS, SEG_ACT_BLOCK, SEG_CENTRES, SEG_CLIP, SEG_DATA, SEG_FIRST_BLOCK, SEG_FOLD, SEG_FROM, SEG_HEADER, SEG_LENGTH,
  SEG_OUTLIERS, SEG_PANEL_BYTES, SEG_ROW_SCALES, SEG_STATIC, SEG_WEIGHT_BITS, SEG_WEIGHT_BLOCK,
} from '../formats/descriptor.ts';
import { headerFlags, padded, segmentPanelBytes } from '../formats/layout.ts';
import { isGrid, type ActFormat, type FloatFormat, type WeightFormat } from '../formats/number-format.ts';

/** What an integer segment's descriptor says, with addresses in linear memory. */
export interface SegmentRow {
  readonly length: number;
  readonly weight: WeightFormat;
  readonly act: ActFormat;
  readonly data: number;
  /** 0 unless scales are `u8` or `bf16`. */
  readonly rowScales: number;
  /** 0 unless activations are static. */
  readonly actScales?: number;
}

/** What the descriptor of weights that f32 numbers are multiplied by says. */
export interface FloatRow {
  /** First channel in a row of f32 input. */
  readonly from: number;
  readonly length: number;
  readonly weight: WeightFormat | FloatFormat;
  readonly data: number;
  readonly rowScales: number;
}

/** Sizes of a linear's quantised input. */
export interface InputShape {
  /** Bytes of one token's codes. */
  readonly codes: number;
  /** Weight blocks of one token: entries of `sums`, and of `scales` before the centres. */
  readonly blocks: number;
  /** Asymmetric activation blocks of one token: their centres follow the scales. */
  readonly centres: number;
}

type Shaped = Pick<SegmentRow, 'length' | 'weight' | 'act'>;

/** Channels of the kernels' weight blocks, of which scales and sums have one entry each. */
export const weightBlock = ({ weight }: Pick<SegmentRow, 'weight'>): number => (weight.block === 'row' ? ROW_BLOCK : weight.block);
const actBlock = ({ act, length }: Shaped): number => (act.block === 'row' ? padded(length) : act.block);

/** Channels of a fold: an activation block, or of one that is the whole row, 128. */
const fold = (row: Shaped): number => (row.act.block === 'row' ? 128 : row.act.block);

const blocksOf = (row: Shaped): number => Math.ceil(row.length / weightBlock(row));
const centresOf = (row: Shaped): number => (row.act.zero === 'min' ? Math.ceil(row.length / actBlock(row)) : 0);

export function inputShape(segments: readonly Shaped[]): InputShape {
  const sum = (count: (row: Shaped) => number): number => segments.reduce((total, row) => total + count(row), 0);
  return { codes: sum(({ length }) => padded(length)), blocks: sum(blocksOf), centres: sum(centresOf) };
}

/** Where a channel's scale and centre lie in a row of activation scales (centre -1: symmetric), and from what magnitude on its value stays f32 (0: never). */
export interface ScalePlace {
  readonly scale: number;
  readonly centre: number;
  readonly outliers: number;
}

/** The places of all channels of integer segments. */
export function scalePlaces(segments: readonly Shaped[]): ScalePlace[] {
  let block = 0;
  let next = inputShape(segments).blocks;
  return segments.flatMap((row) => {
    const [first, firstCentre] = [block, next];
    block += blocksOf(row);
    next += centresOf(row);
    return Array.from({ length: row.length }, (_, k) => ({
      scale: first + Math.floor(k / weightBlock(row)),
      centre: row.act.zero === 'min' ? firstCentre + Math.floor(k / actBlock(row)) : -1,
      outliers: row.act.outliers ?? 0,
    }));
  });
}

/** Views that descriptors are written through. */
export interface TableView {
  readonly i32: Int32Array;
  readonly f32: Float32Array;
}

function writeRow(view: TableView, at: number, ints: Readonly<Record<number, number>>, floats: Readonly<Record<number, number>> = {}): void {
  view.i32.fill(0, at >>> 2, (at + SEGMENT_BYTES) >>> 2);
  for (const [field, value] of Object.entries(ints)) view.i32[(at + Number(field)) >>> 2] = value;
  for (const [field, value] of Object.entries(floats)) view.f32[(at + Number(field)) >>> 2] = value;
}

/** Writes the descriptors of a linear's integer segments at `table`. */
export function writeSegments(view: TableView, table: number, segments: readonly SegmentRow[]): void {
  let from = 0;
  let block = 0;
  let centre = inputShape(segments).blocks;
  segments.forEach((row, i) => {
    const { length, weight, act, data, rowScales, actScales = 0 } = row;
    writeRow(view, table + i * SEGMENT_BYTES, {
      [SEG_FROM]: from, [SEG_LENGTH]: length, [SEG_WEIGHT_BLOCK]: weightBlock(row), [SEG_ACT_BLOCK]: actBlock(row), [SEG_WEIGHT_BITS]: weight.bits,
      [SEG_ACT_BITS]: act.bits, [SEG_HEADER]: headerFlags(weight), [SEG_DATA]: data, [SEG_PANEL_BYTES]: segmentPanelBytes(weight, length),
      [SEG_ROW_SCALES]: rowScales, [SEG_FIRST_BLOCK]: block, [SEG_FOLD]: fold(row), [SEG_CENTRES]: act.zero === 'min' ? centre : 0, [SEG_STATIC]: actScales,
    }, { [SEG_CLIP]: act.clip, [SEG_OUTLIERS]: act.outliers ?? 0 });
    from += length;
    block += blocksOf(row);
    centre += centresOf(row);
  });
}

/** Writes the descriptor of weights for f32 input at `at`. */
export function writeFloatRow(view: TableView, at: number, { from, length, weight, data, rowScales }: FloatRow): void {
  const grid = isGrid(weight) ? { [SEG_WEIGHT_BLOCK]: weight.block === 'row' ? ROW_BLOCK : weight.block, [SEG_HEADER]: headerFlags(weight) } : {};
  writeRow(view, at, {
    [SEG_FROM]: from, [SEG_LENGTH]: length, [SEG_WEIGHT_BITS]: weight.bits, [SEG_DATA]: data, [SEG_PANEL_BYTES]: segmentPanelBytes(weight, length),
    [SEG_ROW_SCALES]: rowScales, ...grid,
  });
}
