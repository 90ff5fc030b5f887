import {
  SEGMENT_BYTES, SEG_ACT_BITS, SEG_ACT_BLOCK, SEG_CLIP, SEG_DATA, SEG_FIRST_BLOCK, SEG_FROM, SEG_HEADER, SEG_LENGTH, SEG_PANEL_BYTES,
  SEG_ROW_SCALES, SEG_WEIGHT_BITS, SEG_WEIGHT_BLOCK,
} from '../formats/descriptor.ts';
import { headerFlags, padded, panelBytes } from '../formats/layout.ts';
import type { ActFormat, WeightFormat } from '../formats/number-format.ts';

/** What a segment's descriptor says, with addresses in linear memory. */
export interface SegmentRow {
  readonly length: number;
  readonly weight: WeightFormat;
  readonly act: ActFormat;
  readonly data: number;
  /** 0 unless scales are two-level. */
  readonly rowScales: number;
}

/** Sizes of a linear's quantised input. */
export interface InputShape {
  /** Bytes of one token's codes. */
  readonly codes: number;
  /** Scales (and sums) of one token. */
  readonly blocks: number;
}

export function inputShape(segments: readonly { readonly length: number; readonly weight: WeightFormat }[]): InputShape {
  let codes = 0;
  let blocks = 0;
  for (const { length, weight } of segments) {
    codes += padded(length);
    blocks += Math.ceil(length / weight.block);
  }
  return { codes, blocks };
}

/** Writes the descriptor table of a linear at `table`. */
export function writeSegments(view: { readonly i32: Int32Array; readonly f32: Float32Array }, table: number, segments: readonly SegmentRow[]): void {
  let from = 0;
  let block = 0;
  segments.forEach(({ length, weight, act, data, rowScales }, i) => {
    const at = table + i * SEGMENT_BYTES;
    const set = (field: number, value: number): void => {
      view.i32[(at + field) >>> 2] = value;
    };
    set(SEG_FROM, from);
    set(SEG_LENGTH, length);
    set(SEG_WEIGHT_BLOCK, weight.block);
    set(SEG_ACT_BLOCK, act.block);
    set(SEG_WEIGHT_BITS, weight.bits);
    set(SEG_ACT_BITS, act.bits);
    set(SEG_HEADER, headerFlags(weight));
    set(SEG_DATA, data);
    set(SEG_PANEL_BYTES, panelBytes(weight, length));
    set(SEG_ROW_SCALES, rowScales);
    set(SEG_FIRST_BLOCK, block);
    view.f32[(at + SEG_CLIP) >>> 2] = act.clip;
    from += length;
    block += Math.ceil(length / weight.block);
  });
}
