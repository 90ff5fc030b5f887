import type { WeightFormat } from '../../formats/number-format.ts';
import type { SegmentCodes } from '../../formats/pack.ts';
import { PLAIN } from './job.ts';
import { roundRows } from './round.ts';

/** A segment's rows as codes; `rowScales`: f32 pairs (scale, min) per row where the format has them. */
export interface QuantisedRows {
  readonly codes: SegmentCodes;
  readonly rowScales: Float32Array | null;
}

/** Rows [rows, length] of one format: grids by least squares, then each value takes the nearest code. */
export function nearest(values: Float32Array, rows: number, length: number, format: WeightFormat): QuantisedRows {
  const segments = [{ from: 0, to: length, weight: format }];
  const [segment] = roundRows({ rows, cols: length, values, segments, ...PLAIN }).segments;
  if (segment && !segment.values) return segment;
  throw new TypeError('a segment of codes has none');
}
