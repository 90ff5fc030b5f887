import { TetradError } from '../../core/errors.ts';
import { f16ToF32 } from '../../core/numeric.ts';
import { PANEL } from '../../formats/descriptor.ts';
import { dequantise } from '../../formats/dequantise.ts';
import { isGrid } from '../../formats/number-format.ts';
import type { SegmentCodes } from '../../formats/pack.ts';
import { fitterOf } from './clip.ts';
import { corrected } from './correct.ts';
import { prepareHessian } from './hessian.ts';
import type { Panel } from './panel.ts';
import type { RoundJob, RoundSegment } from './job.ts';
import { roundPanel } from './round-panel.ts';
import { joinSparse, sparseRows, type SparseRows } from './sparse.ts';

export type { RoundJob, RoundSegment } from './job.ts';

/** One segment of the rows. `rowScales`: f32 pairs (scale, min) per row where scales have two levels or one per row. */
export type RoundedSegment =
  | { readonly codes: SegmentCodes; readonly rowScales: Float32Array | null; readonly values?: undefined }
  | { readonly values: Float32Array; readonly codes?: undefined; readonly rowScales?: undefined };

export interface Rounded {
  readonly segments: readonly RoundedSegment[];
  readonly sparse: SparseRows | null;
}

/** Rounds a job, here or elsewhere. */
export type Round = (job: RoundJob) => Rounded | Promise<Rounded>;

/** A segment's part of each panel put together. */
function collect(panels: readonly Panel[], index: number, { from, to, weight }: RoundSegment, rows: number): RoundedSegment {
  const length = to - from;
  const columns = <T extends Uint8Array | Float32Array>(out: T, of: (panel: Panel) => Uint8Array | Float64Array): T => {
    panels.forEach((panel, p) => {
      for (let row = 0; row < panel.rows; row++) out.set(of(panel).subarray(row * panel.cols + from, row * panel.cols + to), (p * PANEL + row) * length);
    });
    return out;
  };
  if (!isGrid(weight)) return { values: columns(new Float32Array(rows * length), ({ values }) => values) };
  const grids = panels.map((panel) => panel.grids.segments[index]!);
  const scales = words(grids.map((grid) => grid.scales));
  const zeros = words(grids.map((grid) => grid.zeros));
  const isRow = weight.scale === 'bf16';
  const codes: SegmentCodes = {
    rows, length,
    codes: columns(new Uint8Array(rows * length), (panel) => panel.codes),
    scales: isRow ? new Uint16Array(0) : scales,
    zeros: isRow || weight.zero === 'mid' ? new Uint16Array(0) : zeros,
    ...(weight.scale === 'u3' && { shared: words(grids.map((grid) => grid.shared)) }),
  };
  if (weight.scale === 'u8') return { codes, rowScales: floats(grids.map((grid) => grid.steps)) };
  if (!isRow) return { codes, rowScales: null };
  const pairs = Uint32Array.from({ length: 2 * rows }, (_, i) => (i % 2 === 0 ? scales[i >> 1]! : weight.zero === 'min' ? zeros[i >> 1]! : 0) << 16);
  return { codes, rowScales: new Float32Array(pairs.buffer) };
}

/**
 * Rounds rows to the formats of their segments. Every 16 rows are a matter of their own: what they share (3-bit grids, the number of single weights) lies
 * inside a panel.
 *
 * Throws `invalid_argument` where the job lacks a Hessian that its rounding or clip needs, or has one of no use.
 */
export function roundRows(job: RoundJob): Rounded {
  const { rows, cols, segments, rounding, sparseShare } = job;
  const refuse = (message: string): never => { throw new TetradError('invalid_argument', `Cannot round weights: ${message}`); };
  if (typeof rounding === 'object' && !job.hessian) refuse('there is no Hessian, needed is one of the inputs where columns make up for each other');
  if (job.drift && job.drift.length !== cols * cols) refuse(`drift has ${job.drift.length} values, needed are ${cols * cols}`);
  if (sparseShare > 0 && cols > 65536) refuse(`there are ${cols} channels, needed are at most 65536 beside single weights`);
  const hessian = job.hessian && prepareHessian(job.hessian, cols, segments, rounding);
  const fit = fitterOf(job.clip, hessian, cols);
  const share = typeof rounding === 'object' && job.drift ? rounding.correction : 0;
  const target = share > 0 ? { ...job, values: corrected(job.values, rows, cols, job.drift!, share, hessian!.sweep!) } : job;
  const panels = Array.from({ length: Math.ceil(rows / PANEL) }, (_, p) => roundPanel(target, p * PANEL, hessian, fit));
  let index = 0;
  const rounded = segments.map((segment) => collect(panels, isGrid(segment.weight) ? index++ : -1, segment, rows));
  return { segments: rounded, sparse: sparseShare > 0 ? sparseRows(panels) : null };
}

const joined = <T extends Uint8Array | Uint16Array | Uint32Array | Float32Array>(parts: readonly T[], make: (length: number) => T): T => {
  const out = make(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (out.set(part, at), at + part.length), 0);
  return out;
};
const bytes = (parts: readonly Uint8Array[]): Uint8Array => joined(parts, (length) => new Uint8Array(length));
const words = (parts: readonly Uint16Array[]): Uint16Array => joined(parts, (length) => new Uint16Array(length));
const floats = (parts: readonly Float32Array[]): Float32Array => joined(parts, (length) => new Float32Array(length));

/** One segment of parts that follow one another. */
function joinSegment(parts: readonly RoundedSegment[]): RoundedSegment {
  const codes: SegmentCodes[] = [];
  const values: Float32Array[] = [];
  const rowScales: Float32Array[] = [];
  for (const part of parts) {
    if (part.values) {
      values.push(part.values);
    } else {
      codes.push(part.codes);
      if (part.rowScales) rowScales.push(part.rowScales);
    }
  }
  if (values.length > 0) return { values: floats(values) };
  const shared = codes.flatMap((part) => part.shared ?? []);
  return {
    codes: {
      rows: codes.reduce((sum, part) => sum + part.rows, 0),
      length: codes[0]!.length,
      codes: bytes(codes.map((part) => part.codes)),
      scales: words(codes.map((part) => part.scales)),
      zeros: words(codes.map((part) => part.zeros)),
      ...(shared.length > 0 && { shared: words(shared) }),
    },
    rowScales: rowScales.length > 0 ? floats(rowScales) : null,
  };
}

/** Rows that were rounded in parts, as one; all parts but the last are whole panels. */
export function joinRounded(parts: readonly Rounded[]): Rounded {
  if (parts.length === 1) return parts[0]!;
  const sparse = parts.flatMap((part) => part.sparse ?? []);
  return {
    segments: parts[0]!.segments.map((_, i) => joinSegment(parts.map((part) => part.segments[i]!))),
    sparse: sparse.length > 0 ? joinSparse(sparse) : null,
  };
}

/** f32 [rows, cols]: the weights that the kernels use, single weights included. */
export function valuesOf({ segments: rounded, sparse }: Rounded, segments: readonly RoundSegment[], rows: number, cols: number): Float32Array {
  const values = new Float32Array(rows * cols);
  segments.forEach(({ from, to, weight }, i) => {
    const part = rounded[i]!;
    const own = part.values ?? (isGrid(weight) ? dequantise(weight, part.codes, part.rowScales) : new Float32Array(0));
    for (let row = 0; row < rows; row++) values.set(own.subarray(row * (to - from), (row + 1) * (to - from)), row * cols + from);
  });
  for (let row = 0; sparse && row < rows; row++) {
    for (const entry of sparse.entries.subarray(sparse.starts[row], sparse.starts[row + 1])) values[row * cols + (entry & 0xffff)]! += f16ToF32(entry >>> 16);
  }
  return values;
}
