import { LEAST, POWER1, POWER2, POWER3, POWER4, POWER5, ROUND, exp2Of } from '../lib/exp2';
import { N0, N4, N8 } from '../lib/literal';
import { highest4, spread, sums4 } from '../lib/reduce';

/*
 * What attention over pages of any form shares. Queries go in blocks of R = 1 to 4 rows of [tokens][group][headDim]. In scratch, the rows of a block are
 * interleaved by vectors of 4: [n / 4][R][4], so that one pointer serves all. What a block knows of its rows are lanes of vectors.
 */

/** Rows of a block, of which the type parameter R is the number less one: N0, N4 or N8. */
@inline export function rowsOf<R>(): usize { return offsetof<R>() / 4 + 1; }

/** Address of row `row` of the queries: heads consecutive in a token's row, which are `qStride` f32 apart. */
@inline export function queryAt(q: usize, qStride: i32, group: i32, headDim: i32, row: i32): usize {
  return q + (<usize>((row / group) * qStride + (row % group) * headDim) << 2);
}

/** Bytes in front of a kernel's scratch: constants, then what a block knows of its rows. */
export const CONSTANTS: usize = 640;

/** Engines build a constant vector anew at each use, by up to three instructions; a load is one. */
@inline export function round(scratch: usize): v128 { return v128.load(scratch); }
@inline export function rebias(scratch: usize): v128 { return v128.load(scratch, 128); }
@inline export function halfBits(scratch: usize): v128 { return v128.load(scratch, 144); }
@inline export function magnitudeBits(scratch: usize): v128 { return v128.load(scratch, 160); }
@inline export function middle(scratch: usize): v128 { return v128.load(scratch, 176); }
@inline export function ones(scratch: usize): v128 { return v128.load(scratch, 192); }
@inline export function nibbles(scratch: usize): v128 { return v128.load(scratch, 208); }
@inline export function wideNibbles(scratch: usize): v128 { return v128.load(scratch, 224); }

@inline export function maxima(scratch: usize): usize { return scratch + 256; }
@inline export function totals(scratch: usize): usize { return scratch + 272; }

/** Each row's maximum, decay, and its codes' scale and offset, in every lane. */
@inline function shifts(scratch: usize): usize { return scratch + 320; }
@inline export function decays(scratch: usize): usize { return scratch + 384; }
@inline export function codeScales(scratch: usize): usize { return scratch + 448; }
@inline export function codeOffsets(scratch: usize): usize { return scratch + 512; }

/** Decays of 0, with which outputs replace what is there, finite numbers. */
@inline export function noDecays(scratch: usize): usize { return scratch + 576; }

/** Lane r in every lane of the vector of row r. */
@inline export function keep<R>(to: usize, x: v128): void {
  v128.store(to, spread<N0>(x));
  if (rowsOf<R>() > 1) v128.store(to, spread<N4>(x), 16);
  if (rowsOf<R>() > 2) v128.store(to, spread<N8>(x), 32);
}

export function writeConstants(scratch: usize): void {
  v128.store(scratch, f32x4.splat(ROUND)); v128.store(scratch, f32x4.splat(LEAST), 16);
  v128.store(scratch, f32x4.splat(POWER5), 32); v128.store(scratch, f32x4.splat(POWER4), 48);
  v128.store(scratch, f32x4.splat(POWER3), 64); v128.store(scratch, f32x4.splat(POWER2), 80);
  v128.store(scratch, f32x4.splat(POWER1), 96); v128.store(scratch, f32x4.splat(1), 112);
  v128.store(scratch, f32x4.splat(5.192296858534828e33), 128); v128.store(scratch, i32x4.splat(0x8fffe000), 144);
  v128.store(scratch, i32x4.splat(0x7fffffff), 160); v128.store(scratch, f32x4.splat(7.5), 176);
  v128.store(scratch, i16x8.splat(1), 192); v128.store(scratch, i8x16.splat(15), 208);
  v128.store(scratch, i16x8.splat(15), 224);
  memory.fill(noDecays(scratch), 0, 64);
}

/** `softmaxScale` of src/backends/reference/online-softmax.ts. */
@inline export function softmaxScale(scale: f32): f32 { return scale * <f32>1.4426950408889634; }

/** Rows' states, maximum and sum, from `state`. */
export function openState(state: usize, rows: usize, fresh: bool, scratch: usize): void {
  for (let r: usize = 0; r < rows; r++) {
    store<f32>(maxima(scratch) + 4 * r, fresh ? f32.NEGATIVE_INFINITY : load<f32>(state + 8 * r));
    store<f32>(totals(scratch) + 4 * r, fresh ? 0 : load<f32>(state + 8 * r, 4));
  }
}

export function closeState(state: usize, rows: usize, scratch: usize): void {
  for (let r: usize = 0; r < rows; r++) {
    store<f32>(state + 8 * r, load<f32>(maxima(scratch) + 4 * r));
    store<f32>(state + 8 * r, load<f32>(totals(scratch) + 4 * r), 4);
  }
}

/** Row r of a block: `bytes` / 4 contiguous values to interleaved ones, and zeros up to `padded` bytes. */
export function interleave(from: usize, to: usize, pitch: usize, bytes: usize, padded: usize): void {
  for (let i: usize = 0; i < bytes; i += 16, to += pitch) v128.store(to, v128.load(from + i));
  for (let i = bytes; i < padded; i += 16, to += pitch) v128.store(to, f32x4.splat(0));
}

/** And back; `interleave` of a fresh result would read what means nothing. */
export function separate(from: usize, to: usize, pitch: usize, bytes: usize): void {
  for (let i: usize = 0; i < bytes; i += 16, from += pitch) v128.store(to + i, v128.load(from));
}

/** Tokens [count, end) of a row count as none: their scores are the least. */
@inline export function hide(row: usize, pitch: usize, count: i32, end: i32): void {
  for (; count < end; count++) store<f32>(row + <usize>(count >> 2) * pitch + (<usize>(count & 3) << 2), f32.NEGATIVE_INFINITY);
}

/** Scores [vectors][R][4] to weights in place, maxima and sums onward, and the decays: `onlineSoftmax` of src/backends/reference/online-softmax.ts. */
export function softmax<R>(scores: usize, vectors: i32, scratch: usize): void {
  const pitch = 16 * rowsOf<R>(), end = scores + <usize>vectors * pitch, before = v128.load(maxima(scratch)), shift = shifts(scratch);
  let a = f32x4.splat(f32.NEGATIVE_INFINITY), b = a, c = a;
  for (let p = scores; p < end; p += pitch) {
    a = f32x4.pmax(a, v128.load(p));
    if (rowsOf<R>() > 1) b = f32x4.pmax(b, v128.load(p, 16));
    if (rowsOf<R>() > 2) c = f32x4.pmax(c, v128.load(p, 32));
  }
  const peak = f32x4.pmax(before, highest4(a, b, c, before));
  v128.store(maxima(scratch), peak);
  keep<R>(shift, peak);
  const bias = round(scratch), least = v128.load(scratch, 16), c5 = v128.load(scratch, 32), c4 = v128.load(scratch, 48);
  const c3 = v128.load(scratch, 64), c2 = v128.load(scratch, 80), c1 = v128.load(scratch, 96), one = v128.load(scratch, 112);
  const decay = exp2Of(f32x4.sub(before, peak), bias, least, c5, c4, c3, c2, c1, one);
  keep<R>(decays(scratch), decay);
  a = f32x4.splat(0); b = a; c = a;
  for (let p = scores; p < end; p += pitch) {
    let e = exp2Of(f32x4.sub(v128.load(p), v128.load(shift)), bias, least, c5, c4, c3, c2, c1, one);
    v128.store(p, e);
    a = f32x4.add(a, e);
    if (rowsOf<R>() > 1) {
      e = exp2Of(f32x4.sub(v128.load(p, 16), v128.load(shift, 16)), bias, least, c5, c4, c3, c2, c1, one);
      v128.store(p, e, 16);
      b = f32x4.add(b, e);
    }
    if (rowsOf<R>() > 2) {
      e = exp2Of(f32x4.sub(v128.load(p, 32), v128.load(shift, 32)), bias, least, c5, c4, c3, c2, c1, one);
      v128.store(p, e, 32);
      c = f32x4.add(c, e);
    }
  }
  v128.store(totals(scratch), f32x4.add(f32x4.mul(v128.load(totals(scratch)), decay), sums4(a, b, c, f32x4.splat(0))));
}
