import { f16ToF32, f32ToF16 } from '../../core/numeric.ts';
import { fitLeastSquares, makeFits, nearestCode } from './fit.ts';
import { bf16, blockCount, offsetOf, scaleOf, setBits, type Grids, type SegmentGrid } from './grids.ts';
import { roundPair, rowSteps } from './two-level.ts';

/**
 * What storing a block as (scale, zero) bits costs beyond its fit: with the codes as they are, a quadratic form in the differences of scale and offset
 * whose coefficients are the fit's squares, sum and `count`.
 */
export function storedError(segment: SegmentGrid, row: number, block: number, count: number, scaleBits: number, zeroBits: number): number {
  const { fits, blocks } = segment;
  const entry = row * blocks + block;
  const scale = scaleOf(segment, row, block, scaleBits);
  const ds = fits.scale[entry]! - scale;
  const dm = fits.offset[entry]! - offsetOf(segment, row, block, scale, zeroBits);
  return ds * ds * fits.squares[entry]! + 2 * ds * dm * fits.sum[entry]! + dm * dm * count;
}

/** The best offset for a scale that is not the fit's. */
function offsetFor({ fits }: SegmentGrid, entry: number, count: number, scale: number): number {
  return fits.offset[entry]! + (count > 0 ? ((fits.scale[entry]! - scale) * fits.sum[entry]!) / count : 0);
}

/** Bits of scales and zeros that may be the best for a fit; with two-level scales and without minima the two around it. */
function* candidates(segment: SegmentGrid, row: number, block: number, count: number): Generator<readonly [scale: number, zero: number]> {
  const { format, fits, steps, shared } = segment;
  const entry = row * segment.blocks + block;
  const [scale, offset, sum, squares] = [fits.scale[entry]!, fits.offset[entry]!, fits.sum[entry]!, fits.squares[entry]!];
  if (format.zero === 'min') {
    if (format.scale === 'u8') {
      const [s, m] = roundPair(fits, entry, count, steps[2 * row]!, steps[2 * row + 1]!);
      yield [s, m & 0xff];
      return;
    }
    const round = format.scale === 'f16' ? f32ToF16 : bf16;
    const bits = round(Math.max(0, scale));
    yield [bits, round(offsetFor(segment, entry, count, scaleOf(segment, row, block, bits)))];
    return;
  }
  if (format.zero === 'u3') {
    const [step, least] = [f16ToF32(shared[4 * block + 2]!), f16ToF32(shared[4 * block + 3]!)];
    for (let bits = 0; bits < 8; bits++) {
      const s = scaleOf(segment, row, block, bits);
      const zero = s > 0 ? -offsetFor(segment, entry, count, s) / s : 0;
      yield [bits, step > 0 ? nearestCode((zero - least) / step, 7) : 0];
    }
    return;
  }
  const zero = format.zero === 'mid' ? 1 << (format.bits - 1) : scale > 0 ? Math.max(0, Math.min(255, Math.round(-offset / scale))) : 0;
  // The scale s with the least error among (s, -zero * s).
  const energy = squares - 2 * zero * sum + zero * zero * count;
  const best = energy > 0 ? Math.max(0, (scale * squares + offset * sum - zero * (scale * sum + offset * count)) / energy) : scale;
  if (format.scale !== 'u8') return yield [format.scale === 'f16' ? f32ToF16(best) : bf16(best), zero];
  const step = steps[2 * row]!;
  const below = step === 0 ? 0 : Math.min(254, Math.floor(best / step));
  yield [below, zero];
  yield [below + 1, zero];
}

/** The bits of a block of one row with the least `storedError`. */
export function bestBits(segment: SegmentGrid, row: number, block: number, count: number): readonly [scale: number, zero: number] {
  let best: readonly [number, number] = [0, 0];
  let least = Infinity;
  for (const bits of candidates(segment, row, block, count)) {
    const error = storedError(segment, row, block, count, bits[0], bits[1]);
    if (error < least) [least, best] = [error, bits];
  }
  return best;
}

/** A 3-bit grid for one number of each row; its step and minimum as f16. */
function shareGrid(values: Float32Array, isPositive: boolean): readonly [step: number, least: number] {
  const fits = makeFits(1);
  fitLeastSquares(values, 0, values.length, { bits: 3, block: 'row', scale: 'f16', zero: 'min' }, fits, 0, 0);
  const [step, least] = [fits.scale[0]!, fits.offset[0]!];
  return isPositive && least < 0 ? [f32ToF16(Math.max(...values) / 7), 0] : [f32ToF16(step), f32ToF16(least)];
}

/** Grids that the panel's rows share in a block, first for the scales, then, with these rounded, for the zeros (Dettmers et al., SpQR, 2023). */
function shareBlock(segment: SegmentGrid, rows: number, block: number, count: number): void {
  const { fits, blocks, shared } = segment;
  const scales = Float32Array.from({ length: rows }, (_, row) => fits.scale[row * blocks + block]!);
  const [step, least] = shareGrid(scales, true);
  shared.set([step, least], 4 * block);
  const zeros = scales.map((scale, row) => {
    const code = step > 0 ? nearestCode((scale - f16ToF32(least)) / f16ToF32(step), 7) : 0;
    const rounded = scaleOf(segment, row, block, code);
    return rounded > 0 ? -offsetFor(segment, row * blocks + block, count, rounded) / rounded : 0;
  });
  shared.set(shareGrid(zeros, false), 4 * block + 2);
}

/** Steps of two-level scales that reach a row's fits times `headroom`. */
export function storeSteps(segment: SegmentGrid, rows: number, headroom: number): void {
  if (segment.format.scale === 'u8') segment.steps = rowSteps(segment.format, segment.fits, rows, headroom);
}

/** Stores the fits of a block of all rows. */
export function storeBlock(grids: Grids, segment: SegmentGrid, block: number): void {
  const count = blockCount(segment, block);
  if (segment.format.scale === 'u3') shareBlock(segment, grids.rows, block, count);
  for (let row = 0; row < grids.rows; row++) {
    const [scale, zero] = bestBits(segment, row, block, count);
    setBits(grids, segment, row, block, scale, zero);
  }
}
