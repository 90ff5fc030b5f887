import { PAGE } from '../../src/formats/descriptor';
import { N0, N4, N8 } from '../lib/literal';
import { code4, codeScales4, inverses4 } from '../lib/quantise_vector';
import { largest4, spread } from '../lib/reduce';
import {
  CONSTANTS, closeState, codeScales, decays, hide, interleave, keep, magnitudeBits, openState, queryAt, round, rowsOf, separate, softmax, softmaxScale,
  writeConstants,
} from './attention_rows';

/*
 * Attention over 8-bit pages by `i32x4.dot_i16x8_s` (formulas: src/backends/reference/attention-codes.ts; layout: src/formats/kv-layout.ts).
 * Both products are the same: R rows of codes by a matrix in vectors of 4 rows by 2 columns.
 */
const LIMIT: f32 = 16383;

/** Row Q / 4: p * scale, 0 where p is; the peak onward. */
@inline function scaled<Q>(x: usize, scale: v128, peaks: v128, scratch: usize): v128 {
  const p = v128.load(x, 4 * offsetof<Q>()), y = v128.and(f32x4.mul(p, scale), f32x4.gt(p, f32x4.splat(0)));
  v128.store(x, y, 4 * offsetof<Q>());
  return i32x4.max_s(peaks, v128.and(y, magnitudeBits(scratch)));
}

@inline function peak4<Q>(x: usize, peaks: v128, scratch: usize): v128 {
  return i32x4.max_s(peaks, v128.and(v128.load(x, 4 * offsetof<Q>()), magnitudeBits(scratch)));
}

/** Codes of 8 columns of row Q. */
@inline function codes8<R, Q>(x: usize, inverse: v128, bias: v128, codes: usize): void {
  v128.store(codes, i16x8.narrow_i32x4_s(
    code4(v128.load(x, 4 * offsetof<Q>()), inverse, bias), code4(v128.load(x, 4 * offsetof<Q>() + (4 * offsetof<R>() + 16)), inverse, bias),
  ), 4 * offsetof<Q>());
}

/**
 * Rows x [columns / 4][R][4], with M = N4 first times the columns' scales: codes [columns / 8][R][8], and the rows' scales times `factor`. `columns` is a
 * multiple of 8.
 */
function quantise<R, M>(x: usize, columns: i32, scales: usize, factor: f32, codes: usize, rowScales: usize, scratch: usize): void {
  const none = f32x4.splat(0), end = x + <usize>(columns >> 2) * (16 * rowsOf<R>());
  let k0 = none, k1 = none, k2 = none;
  for (let i = x; i < end; i += 16 * rowsOf<R>(), scales += 16) {
    if (offsetof<M>()) {
      const s = v128.load(scales);
      k0 = scaled<N0>(i, s, k0, scratch);
      if (rowsOf<R>() > 1) k1 = scaled<N4>(i, s, k1, scratch);
      if (rowsOf<R>() > 2) k2 = scaled<N8>(i, s, k2, scratch);
    } else {
      k0 = peak4<N0>(i, k0, scratch);
      if (rowsOf<R>() > 1) k1 = peak4<N4>(i, k1, scratch);
      if (rowsOf<R>() > 2) k2 = peak4<N8>(i, k2, scratch);
    }
  }
  const peaks = largest4(k0, k1, k2, none), limit = f32x4.splat(LIMIT), inverse = inverses4(peaks, limit), bias = round(scratch);
  keep<R>(rowScales, f32x4.mul(codeScales4(peaks, limit), f32x4.splat(factor)));
  const i0 = spread<N0>(inverse), i1 = spread<N4>(inverse), i2 = spread<N8>(inverse);
  for (; x < end; x += 32 * rowsOf<R>(), codes += 16 * rowsOf<R>()) {
    codes8<R, N0>(x, i0, bias, codes);
    if (rowsOf<R>() > 1) codes8<R, N4>(x, i1, bias, codes);
    if (rowsOf<R>() > 2) codes8<R, N8>(x, i2, bias, codes);
  }
}

/** Eight outputs of row Q: sum * scale; with M = N0 times the outputs' own scales, with N4 after what is there times its decay. */
@inline function put<R, Q, M>(c: v128, d: v128, rowScales: usize, columns: usize, out: usize, scratch: usize): void {
  const scale = v128.load(rowScales, 4 * offsetof<Q>());
  c = f32x4.mul(f32x4.convert_i32x4_s(c), scale);
  d = f32x4.mul(f32x4.convert_i32x4_s(d), scale);
  if (offsetof<M>()) {
    const decay = v128.load(decays(scratch), 4 * offsetof<Q>());
    c = f32x4.add(f32x4.mul(v128.load(out, 4 * offsetof<Q>()), decay), c);
    d = f32x4.add(f32x4.mul(v128.load(out, 4 * offsetof<Q>() + (4 * offsetof<R>() + 16)), decay), d);
  } else {
    c = f32x4.mul(c, v128.load(columns));
    d = f32x4.mul(d, v128.load(columns, 16));
  }
  v128.store(out, c, 4 * offsetof<Q>());
  v128.store(out, d, 4 * offsetof<Q>() + (4 * offsetof<R>() + 16));
}

@inline function dot(acc: v128, w: v128, x: v128): v128 { return i32x4.add(acc, i32x4.dot_i16x8_s(w, x)); }

/**
 * out [count / 4][R][4] by the first `columns` columns, a multiple of 8, whose codes are [columns / 8][R][8]; `across` bytes lie between 4 rows of w and
 * the next.
 */
function tile<R, M>(
  w: usize, across: usize, columns: i32, count: i32, codes: usize, rowScales: usize, scales: usize, out: usize, scratch: usize,
): void {
  const none = i32x4.splat(0);
  for (const last = out + <usize>(count >> 2) * (16 * rowsOf<R>()); out < last; w += 2 * across, scales += 32, out += 32 * rowsOf<R>()) {
    let p0 = none, p1 = none, p2 = none, q0 = none, q1 = none, q2 = none;
    for (let v = w, u = w + across, a = codes, end = w + <usize>(columns << 2); v < end; v += 32, u += 32, a += 16 * rowsOf<R>()) {
      let l: v128, h: v128, s: v128;
      l = v128.load_ext<i8>(v, 0); h = v128.load_ext<i8>(u, 0);
      s = v128.load32_splat(a, 0); p0 = dot(p0, l, s); q0 = dot(q0, h, s);
      if (rowsOf<R>() > 1) { s = v128.load32_splat(a, 16); p1 = dot(p1, l, s); q1 = dot(q1, h, s); }
      if (rowsOf<R>() > 2) { s = v128.load32_splat(a, 32); p2 = dot(p2, l, s); q2 = dot(q2, h, s); }
      l = v128.load_ext<i8>(v, 8); h = v128.load_ext<i8>(u, 8);
      s = v128.load32_splat(a, 4); p0 = dot(p0, l, s); q0 = dot(q0, h, s);
      if (rowsOf<R>() > 1) { s = v128.load32_splat(a, 20); p1 = dot(p1, l, s); q1 = dot(q1, h, s); }
      if (rowsOf<R>() > 2) { s = v128.load32_splat(a, 36); p2 = dot(p2, l, s); q2 = dot(q2, h, s); }
      l = v128.load_ext<i8>(v, 16); h = v128.load_ext<i8>(u, 16);
      s = v128.load32_splat(a, 8); p0 = dot(p0, l, s); q0 = dot(q0, h, s);
      if (rowsOf<R>() > 1) { s = v128.load32_splat(a, 24); p1 = dot(p1, l, s); q1 = dot(q1, h, s); }
      if (rowsOf<R>() > 2) { s = v128.load32_splat(a, 40); p2 = dot(p2, l, s); q2 = dot(q2, h, s); }
      l = v128.load_ext<i8>(v, 24); h = v128.load_ext<i8>(u, 24);
      s = v128.load32_splat(a, 12); p0 = dot(p0, l, s); q0 = dot(q0, h, s);
      if (rowsOf<R>() > 1) { s = v128.load32_splat(a, 28); p1 = dot(p1, l, s); q1 = dot(q1, h, s); }
      if (rowsOf<R>() > 2) { s = v128.load32_splat(a, 44); p2 = dot(p2, l, s); q2 = dot(q2, h, s); }
    }
    put<R, N0, M>(p0, q0, rowScales, scales, out, scratch);
    if (rowsOf<R>() > 1) put<R, N4, M>(p1, q1, rowScales, scales, out, scratch);
    if (rowsOf<R>() > 2) put<R, N8, M>(p2, q2, rowScales, scales, out, scratch);
  }
}

/** R rows from `row` on over all pages. Scratch: constants, queries and then results, their codes, scores, codes of weights, the queries' scales. */
function block<R>(
  q: usize, qStride: i32, row: i32, group: i32, headDim: i32, scale: f32,
  page: usize, pages: i32, pageBytes: i32, visible: i32, out: usize, state: usize, fresh: bool, scratch: usize,
): void {
  const bytes = <usize>headDim << 2, part = <usize>headDim * PAGE, pitch = 16 * rowsOf<R>();
  const results = scratch + CONSTANTS, queries = results + 4 * bytes, scores = queries + 2 * bytes, weights = scores + 16 * PAGE;
  const queryScales = weights + 8 * PAGE;
  for (let r: usize = 0; r < rowsOf<R>(); r++) interleave(queryAt(q, qStride, group, headDim, row + <i32>r), results + 16 * r, pitch, bytes, bytes);
  quantise<R, N0>(results, headDim, 0, softmaxScale(scale), queries, queryScales, scratch);
  for (let r: usize = 0; r < rowsOf<R>(); r++) interleave(out + r * bytes, results + 16 * r, pitch, fresh ? 0 : bytes, bytes);
  openState(state, rowsOf<R>(), fresh, scratch);
  for (; pages > 0; pages--, page += <usize>pageBytes, visible -= PAGE) {
    const scales = page + 2 * part, most = (min(PAGE, visible + (row + <i32>rowsOf<R>() - 1) / group) + 7) & -8;
    tile<R, N0>(page, bytes, headDim, most, queries, queryScales, scales, scores, scratch);
    for (let r: usize = 0; r < rowsOf<R>(); r++) hide(scores + 16 * r, pitch, visible + (row + <i32>r) / group, most);
    softmax<R>(scores, most >> 2, scratch);
    quantise<R, N4>(scores, most, scales + 4 * PAGE, 1, weights, codeScales(scratch), scratch);
    tile<R, N4>(page + part, 4 * PAGE, most, headDim, weights, codeScales(scratch), 0, results, scratch);
  }
  for (let r: usize = 0; r < rowsOf<R>(); r++) separate(results + 16 * r, out + r * bytes, pitch, bytes);
  closeState(state, rowsOf<R>(), scratch);
}

/** `scratch` is a multiple of 16. */
export function attention_f32_i8h_f32_simd128(
  q: usize, qStride: i32, tokens: i32, group: i32, headDim: i32, scale: f32,
  page: usize, pages: i32, pageBytes: i32, visible: i32, out: usize, state: usize, fresh: i32, scratch: usize,
): void {
  const first = fresh != 0, step = 12 * <usize>headDim;
  writeConstants(scratch);
  let row = 0;
  for (const last = tokens * group - 3; row <= last; row += 3, out += step, state += 24) {
    block<N8>(q, qStride, row, group, headDim, scale, page, pages, pageBytes, visible, out, state, first, scratch);
  }
  const rest = tokens * group - row;
  if (rest == 2) block<N4>(q, qStride, row, group, headDim, scale, page, pages, pageBytes, visible, out, state, first, scratch);
  if (rest == 1) block<N0>(q, qStride, row, group, headDim, scale, page, pages, pageBytes, visible, out, state, first, scratch);
}
