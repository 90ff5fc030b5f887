import { f16ToF32, f32ToF16 } from '../../core/numeric.ts';
import { nearestCode, type FitBlock } from './fit.ts';
import { blockCount, type Grids, type SegmentGrid } from './grids.ts';
import { storeBlock } from './stored.ts';

const f = Math.fround;

/** Up to 16 rows while they are rounded. Everything is [rows, cols]. */
export interface Panel {
  readonly rows: number;
  readonly cols: number;
  /** What is to be approximated. */
  readonly target: Float32Array;
  readonly grids: Grids;
  readonly codes: Uint8Array;
  /** f64 that hold f32: what the kernels will use. */
  readonly values: Float64Array;
  /** 1 where a weight is stored beside the grid as well; null: none is. */
  readonly kept: Uint8Array | null;
  /** f16: what is added to the value of the code there. */
  readonly residuals: Uint16Array;
}

/** Stores what comes nearest to x at a row and channel, and returns its value. */
export function roundAt(panel: Panel, row: number, channel: number, x: number): number {
  const { grids, values, kept } = panel;
  const at = row * panel.cols + channel;
  const block = grids.blockOf[channel]!;
  if (block < 0) return (values[at] = block === -16 ? f16ToF32(f32ToF16(x)) : f(x));
  const entry = row * grids.count + block;
  const offset = grids.offset[entry]!;
  const code = nearestCode((x - offset) * grids.inverse[entry]!, grids.limits[block]!);
  panel.codes[at] = code;
  let value = f(f(grids.scale[entry]! * code) + offset);
  if (kept !== null && kept[at] === 1) {
    const residual = f32ToF16(x - value);
    panel.residuals[at] = residual;
    value = f(value + f16ToF32(residual));
  }
  values[at] = value;
  return value;
}

/**
 * Fits the grids of a block of all rows to `source`, [rows, cols] with channel c at `place[c]` (null: at c). Weights that are kept beside the grid count as
 * the mean of the others.
 */
export function fitBlock(panel: Panel, segment: SegmentGrid, block: number, source: Float32Array | Float64Array, place: Int32Array | null, fit: FitBlock): void {
  const channel = segment.from + block * segment.block;
  const count = blockCount(segment, block);
  const values = new Float32Array(count);
  for (let row = 0; row < panel.rows; row++) {
    const at = row * panel.cols;
    for (let k = 0; k < count; k++) values[k] = source[at + (place ? place[channel + k]! : channel + k)]!;
    if (panel.kept) {
      const kept = panel.kept.subarray(at + channel, at + channel + count);
      const others = values.filter((_, k) => !kept[k]);
      const mean = others.length === 0 ? 0 : others.reduce((sum, value) => sum + value, 0) / others.length;
      kept.forEach((isKept, k) => { if (isKept) values[k] = mean; });
    }
    fit(values, 0, count, segment.format, segment.fits, row * segment.blocks + block, channel);
  }
}

/** Fits and stores a block as it is now. */
export function refitBlock(panel: Panel, segment: SegmentGrid, block: number, source: Float64Array, place: Int32Array, fit: FitBlock): void {
  fitBlock(panel, segment, block, source, place, fit);
  storeBlock(panel.grids, segment, block);
}
