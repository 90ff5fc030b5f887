import { PAGE } from '../../src/formats/descriptor';
import { N0, N4, N8 } from '../lib/literal';
import { code4, codeScales4, inverses4 } from '../lib/quantise_vector';
import { largest4, spread, sums4, totals4 } from '../lib/reduce';
import { touch } from '../lib/touch';
import {
  CONSTANTS, closeState, codeOffsets, codeScales, decays, halfBits, interleave, keep, magnitudeBits, middle, noDecays, ones, openState, queryAt, rebias, round,
  rowsOf, separate, softmax, softmaxScale, writeConstants,
} from './attention_rows';
import { STEP, rowStep, tile } from './attention_tile';

/*
 * Attention over 4-bit pages on the path P of lib/dot.ts (formulas: src/backends/reference/attention-codes.ts; layout: src/formats/kv-layout.ts).
 * Both products are the same: R rows, with the matrix' scales folded in as 8-bit codes, by a matrix in vectors of 8 rows by 4 columns.
 */
const LIMIT: f32 = 127;

/** Four scales, which are no less than 0, to f32 (lib/f16.ts). */
@inline function scales4(address: usize, scratch: usize): v128 { return f32x4.mul(i32x4.shl(v128.load_ext<u16>(address), 13), rebias(scratch)); }

/** Four minima: sign extension puts the sign in its place. */
@inline function minima4(address: usize, scratch: usize): v128 {
  return f32x4.mul(v128.and(i32x4.shl(v128.load_ext<i16>(address), 13), halfBits(scratch)), rebias(scratch));
}

@inline function peak4(peaks: v128, y: v128, magnitude: v128): v128 { return i32x4.max_s(peaks, v128.and(y, magnitude)); }

/** Codes of 16 columns of row Q of y [columns / 4][R][4]; the sums of neighbours among them in lanes. */
@inline function codes16<P, R, Q>(y: usize, inverse: v128, bias: v128, codes: usize): v128 {
  const a = i16x8.narrow_i32x4_s(
    code4(v128.load(y, 4 * offsetof<Q>()), inverse, bias), code4(v128.load(y, 4 * offsetof<Q>() + (4 * offsetof<R>() + 16)), inverse, bias),
  );
  const b = i16x8.narrow_i32x4_s(
    code4(v128.load(y, 4 * offsetof<Q>() + 2 * (4 * offsetof<R>() + 16)), inverse, bias),
    code4(v128.load(y, 4 * offsetof<Q>() + 3 * (4 * offsetof<R>() + 16)), inverse, bias),
  );
  const c = i8x16.narrow_i16x8_s(a, b);
  if (sizeof<P>() == 1) {
    v128.store(codes, i16x8.shr_s(i16x8.shl(c, 8), 8), 8 * offsetof<Q>());
    v128.store(codes, i16x8.shr_s(c, 8), 8 * offsetof<Q>() + 16);
  } else {
    v128.store(codes, c, 4 * offsetof<Q>());
  }
  return i16x8.add(a, b);
}

/**
 * Rows x [columns / 4][R][4] with scales and minima folded in: codes [columns / 16][R][16], and of each row the scale and the offset, times `factor`.
 * `columns` is a multiple of 16; y takes as many values as x.
 */
@inline function fold<P, R>(x: usize, columns: i32, scales: usize, minima: usize, factor: f32, y: usize, codes: usize, scratch: usize): void {
  const none = f32x4.splat(0), bytes = <usize>(columns >> 2) * (16 * rowsOf<R>()), half = middle(scratch), magnitude = magnitudeBits(scratch);
  let k0 = none, k1 = none, k2 = none, z0 = none, z1 = none, z2 = none;
  let to = y;
  for (const end = y + bytes; to < end; to += 16 * rowsOf<R>(), x += 16 * rowsOf<R>(), scales += 8, minima += 8) {
    const s = scales4(scales, scratch), m = f32x4.add(f32x4.mul(s, half), minima4(minima, scratch));
    let v = v128.load(x), u = f32x4.mul(v, s);
    v128.store(to, u); z0 = f32x4.add(z0, f32x4.mul(v, m)); k0 = peak4(k0, u, magnitude);
    if (rowsOf<R>() > 1) {
      v = v128.load(x, 16); u = f32x4.mul(v, s);
      v128.store(to, u, 16); z1 = f32x4.add(z1, f32x4.mul(v, m)); k1 = peak4(k1, u, magnitude);
    }
    if (rowsOf<R>() > 2) {
      v = v128.load(x, 32); u = f32x4.mul(v, s);
      v128.store(to, u, 32); z2 = f32x4.add(z2, f32x4.mul(v, m)); k2 = peak4(k2, u, magnitude);
    }
  }
  const peaks = largest4(k0, k1, k2, none), limit = f32x4.splat(LIMIT), inverse = inverses4(peaks, limit), scale = codeScales4(peaks, limit);
  const exact = sums4(z0, z1, z2, none), bias = round(scratch);
  const i0 = spread<N0>(inverse), i1 = spread<N4>(inverse), i2 = spread<N8>(inverse);
  k0 = none; k1 = none; k2 = none;
  for (let end = to; y < end; y += 64 * rowsOf<R>(), codes += rowStep<P>() * rowsOf<R>()) {
    k0 = i16x8.add(k0, codes16<P, R, N0>(y, i0, bias, codes));
    if (rowsOf<R>() > 1) k1 = i16x8.add(k1, codes16<P, R, N4>(y, i1, bias, codes));
    if (rowsOf<R>() > 2) k2 = i16x8.add(k2, codes16<P, R, N8>(y, i2, bias, codes));
  }
  const one = ones(scratch), times = f32x4.splat(factor);
  const coded = f32x4.convert_i32x4_s(totals4(i32x4.dot_i16x8_s(k0, one), i32x4.dot_i16x8_s(k1, one), i32x4.dot_i16x8_s(k2, one), none));
  keep<R>(codeOffsets(scratch), f32x4.mul(f32x4.sub(exact, f32x4.mul(f32x4.mul(scale, coded), half)), times));
  keep<R>(codeScales(scratch), f32x4.mul(scale, times));
}

/** Rows x by a matrix [count][columns] whose rows come in groups with scales and minima [groups][side / 2] of their own. */
function product<P, R>(
  x: usize, columns: i32, scales: usize, side: usize, minima: usize, w: usize, across: usize, count: i32, group: i32, factor: f32, out: usize,
  decays: usize, y: usize, codes: usize, scratch: usize,
): void {
  for (; count > 0; count -= group, scales += side, minima += side) {
    const rows = min(group, count);
    fold<P, R>(x, columns, scales, minima, factor, y, codes, scratch);
    tile<P, R>(w, across, columns, rows, codes, out, decays, scratch);
    w += <usize>(rows >> 3) * across; out += <usize>(rows >> 2) * (16 * rowsOf<R>());
  }
}

/** R rows from `row` on over all pages. Scratch: constants, queries, results, scores, scaled vectors, codes. */
function block<P, R>(
  q: usize, qStride: i32, row: i32, group: i32, headDim: i32, scale: f32,
  page: usize, pages: i32, pageBytes: i32, keyGroup: i32, valueGroup: i32, out: usize, state: usize, fresh: bool, scratch: usize,
): void {
  const width = <usize>headDim, bytes = width << 2, depth = (headDim + STEP - 1) & -STEP, pitch = 16 * rowsOf<R>();
  const queries = scratch + CONSTANTS, results = queries + <usize>depth * 16, scores = results + <usize>depth * 16;
  const scaled = scores + 16 * PAGE, codes = scaled + <usize>(16 * max(PAGE, depth)), across = <usize>((headDim + 15) & -16) << 2;
  for (let r: usize = 0; r < rowsOf<R>(); r++) {
    interleave(queryAt(q, qStride, group, headDim, row + <i32>r), queries + 16 * r, pitch, bytes, <usize>depth << 2);
    interleave(out + r * bytes, results + 16 * r, pitch, fresh ? 0 : bytes, bytes);
  }
  memory.fill(scores, 0, 16 * PAGE);
  openState(state, rowsOf<R>(), fresh, scratch);
  const keySide = 2 * width, keyScaleBytes = keySide * <usize>(PAGE / keyGroup);
  const valueScaleBytes = <usize>(2 * PAGE * ((headDim + valueGroup - 1) / valueGroup)), factor = softmaxScale(scale);
  for (; pages > 0; pages--, page += <usize>pageBytes) {
    if (row == 0) touch(page, <usize>pageBytes, scaled);
    const values = page + across * (PAGE / 8), keyScales = values + width * (PAGE / 2), valueScales = keyScales + 2 * keyScaleBytes;
    product<P, R>(
      queries, depth, keyScales, keySide, keyScales + keyScaleBytes, page, across, PAGE, keyGroup, factor, scores, noDecays(scratch), scaled, codes, scratch,
    );
    softmax<R>(scores, PAGE / 4, scratch);
    product<P, R>(
      scores, PAGE, valueScales, 2 * PAGE, valueScales + valueScaleBytes, values, 4 * PAGE, headDim, valueGroup, 1, results,
      decays(scratch), scaled, codes, scratch,
    );
  }
  for (let r: usize = 0; r < rowsOf<R>(); r++) separate(results + 16 * r, out + r * bytes, pitch, bytes);
  closeState(state, rowsOf<R>(), scratch);
}

/** `scratch` is a multiple of 16. */
@inline export function attention<P>(
  q: usize, qStride: i32, tokens: i32, group: i32, headDim: i32, scale: f32,
  page: usize, pages: i32, pageBytes: i32, keyGroup: i32, valueGroup: i32, out: usize, state: usize, fresh: i32, scratch: usize,
): void {
  const first = fresh != 0, step = 12 * <usize>headDim;
  writeConstants(scratch);
  let row = 0;
  for (const last = tokens * group - 3; row <= last; row += 3, out += step, state += 24) {
    block<P, N8>(q, qStride, row, group, headDim, scale, page, pages, pageBytes, keyGroup, valueGroup, out, state, first, scratch);
  }
  const rest = tokens * group - row;
  if (rest == 2) block<P, N4>(q, qStride, row, group, headDim, scale, page, pages, pageBytes, keyGroup, valueGroup, out, state, first, scratch);
  if (rest == 1) block<P, N0>(q, qStride, row, group, headDim, scale, page, pages, pageBytes, keyGroup, valueGroup, out, state, first, scratch);
}
