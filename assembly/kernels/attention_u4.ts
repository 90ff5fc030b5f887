import { PAGE } from '../../src/formats/descriptor';
import { mac, stepBytes } from '../lib/dot';
import { N0, N12, N4, N8 } from '../lib/literal';
import { code4, inverseOf } from '../lib/quantise_vector';
import { horizontalMax, horizontalSum } from '../lib/reduce';
import { advance, queryAt, rowsOf, softmax } from './attention_rows';

/*
 * Attention over 4-bit pages on the path P of lib/dot.ts (formulas: src/backends/reference/attention-codes.ts; layout: src/formats/kv-layout.ts).
 * Both products are the same tile: R rows of 8-bit codes, of their own for each nibble plane, by a matrix in vectors of 4 rows by 4 columns.
 * A plane's side data of a row: its scale, then its offset.
 */
const LIMIT: f32 = 127;
const REBIAS: f32 = 5.192296858534828e33; // lib/f16.ts

/** Four scales, which are no less than 0. */
@inline function scales4(address: usize): v128 { return f32x4.mul(i32x4.shl(v128.load_ext<u16>(address), 13), f32x4.splat(REBIAS)); }

/** Four minima: sign extension puts the sign in its place. */
@inline function minima4(address: usize): v128 {
  return f32x4.mul(v128.and(i32x4.shl(v128.load_ext<i16>(address), 13), i32x4.splat(0x8fffe000)), f32x4.splat(REBIAS));
}

/** Four outputs of a row: sum * scale + offset. */
@inline function put(c: v128, side: usize, out: usize, decays: usize, fresh: bool): void {
  const x = f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(c), v128.load32_splat(side)), v128.load32_splat(side, 4));
  advance(out, x, v128.load32_splat(decays), fresh);
}

@inline function flush(c: v128, p: v128): v128 { return i32x4.add(c, i32x4.extadd_pairwise_i16x8_s(p)); }

/**
 * out[r][n] and out[r][n + high], n < count (a multiple of 4), by 4 * `vectors` columns (a multiple of 16). Rows of codes lie `stride` apart, those of
 * out `outStride`. The i16 path moves its sums on after 8 steps: 8 * 2 * 15 * 127 < 2^15.
 */
function tile<P, R>(
  w: usize, vectors: i32, count: i32, low: usize, high: usize, stride: usize, lowSide: usize, highSide: usize,
  out: usize, outHigh: usize, outStride: usize, decays: usize, fresh: bool,
): void {
  const none = i32x4.splat(0), nibble = i8x16.splat(15), whole = <usize>(vectors >> 2) * stepBytes<P>();
  const chunk = sizeof<P>() == 2 ? 2 * stepBytes<P>() : whole, far = high - low;
  for (const last = out + (<usize>count << 2); out < last; out += 16) {
    let p0 = none, p1 = none, p2 = none, p3 = none, q0 = none, q1 = none, q2 = none, q3 = none;
    let c0 = none, c1 = none, c2 = none, c3 = none, d0 = none, d1 = none, d2 = none, d3 = none;
    for (let a = low, end = low + whole; a < end;) {
      for (const stop = min(a + chunk, end); a < stop; a += stepBytes<P>(), w += 64) {
        const b = a + far, a1 = a + stride, b1 = b + stride, a2 = a1 + stride, b2 = b1 + stride, a3 = a2 + stride, b3 = b2 + stride;
        let v = v128.load(w), l = v128.and(v, nibble), h = v128.and(i16x8.shr_u(v, 4), nibble);
        p0 = mac<P, N0>(p0, l, a); q0 = mac<P, N0>(q0, h, b);
        if (rowsOf<R>() > 1) { p1 = mac<P, N0>(p1, l, a1); q1 = mac<P, N0>(q1, h, b1); }
        if (rowsOf<R>() > 2) { p2 = mac<P, N0>(p2, l, a2); q2 = mac<P, N0>(q2, h, b2); }
        if (rowsOf<R>() > 3) { p3 = mac<P, N0>(p3, l, a3); q3 = mac<P, N0>(q3, h, b3); }
        v = v128.load(w, 16); l = v128.and(v, nibble); h = v128.and(i16x8.shr_u(v, 4), nibble);
        p0 = mac<P, N4>(p0, l, a); q0 = mac<P, N4>(q0, h, b);
        if (rowsOf<R>() > 1) { p1 = mac<P, N4>(p1, l, a1); q1 = mac<P, N4>(q1, h, b1); }
        if (rowsOf<R>() > 2) { p2 = mac<P, N4>(p2, l, a2); q2 = mac<P, N4>(q2, h, b2); }
        if (rowsOf<R>() > 3) { p3 = mac<P, N4>(p3, l, a3); q3 = mac<P, N4>(q3, h, b3); }
        v = v128.load(w, 32); l = v128.and(v, nibble); h = v128.and(i16x8.shr_u(v, 4), nibble);
        p0 = mac<P, N8>(p0, l, a); q0 = mac<P, N8>(q0, h, b);
        if (rowsOf<R>() > 1) { p1 = mac<P, N8>(p1, l, a1); q1 = mac<P, N8>(q1, h, b1); }
        if (rowsOf<R>() > 2) { p2 = mac<P, N8>(p2, l, a2); q2 = mac<P, N8>(q2, h, b2); }
        if (rowsOf<R>() > 3) { p3 = mac<P, N8>(p3, l, a3); q3 = mac<P, N8>(q3, h, b3); }
        v = v128.load(w, 48); l = v128.and(v, nibble); h = v128.and(i16x8.shr_u(v, 4), nibble);
        p0 = mac<P, N12>(p0, l, a); q0 = mac<P, N12>(q0, h, b);
        if (rowsOf<R>() > 1) { p1 = mac<P, N12>(p1, l, a1); q1 = mac<P, N12>(q1, h, b1); }
        if (rowsOf<R>() > 2) { p2 = mac<P, N12>(p2, l, a2); q2 = mac<P, N12>(q2, h, b2); }
        if (rowsOf<R>() > 3) { p3 = mac<P, N12>(p3, l, a3); q3 = mac<P, N12>(q3, h, b3); }
      }
      if (sizeof<P>() == 2) {
        c0 = flush(c0, p0); d0 = flush(d0, q0); p0 = none; q0 = none;
        if (rowsOf<R>() > 1) { c1 = flush(c1, p1); d1 = flush(d1, q1); p1 = none; q1 = none; }
        if (rowsOf<R>() > 2) { c2 = flush(c2, p2); d2 = flush(d2, q2); p2 = none; q2 = none; }
        if (rowsOf<R>() > 3) { c3 = flush(c3, p3); d3 = flush(d3, q3); p3 = none; q3 = none; }
      }
    }
    if (sizeof<P>() != 2) {
      c0 = p0; c1 = p1; c2 = p2; c3 = p3; d0 = q0; d1 = q1; d2 = q2; d3 = q3;
    }
    const up = out + outHigh;
    put(c0, lowSide, out, decays, fresh); put(d0, highSide, up, decays, fresh);
    if (rowsOf<R>() > 1) { put(c1, lowSide + 8, out + outStride, decays + 4, fresh); put(d1, highSide + 8, up + outStride, decays + 4, fresh); }
    if (rowsOf<R>() > 2) { put(c2, lowSide + 16, out + 2 * outStride, decays + 8, fresh); put(d2, highSide + 16, up + 2 * outStride, decays + 8, fresh); }
    if (rowsOf<R>() > 3) { put(c3, lowSide + 24, out + 3 * outStride, decays + 12, fresh); put(d3, highSide + 24, up + 3 * outStride, decays + 12, fresh); }
  }
}

/** i8 codes of `bytes` / 4 values (a multiple of 16) in the path's form; `side` holds the peak and gets the scale. */
@inline function quantise<P>(x: usize, bytes: usize, codes: usize, side: usize): void {
  const peak = load<f32>(side), inverse = inverseOf(peak, LIMIT), limit = f32x4.splat(LIMIT);
  store<f32>(side, peak / LIMIT);
  for (const end = x + bytes; x < end; x += 64, codes += stepBytes<P>()) {
    const a = i16x8.narrow_i32x4_s(code4(v128.load(x), inverse, limit), code4(v128.load(x, 16), inverse, limit));
    const b = i16x8.narrow_i32x4_s(code4(v128.load(x, 32), inverse, limit), code4(v128.load(x, 48), inverse, limit));
    const c = i8x16.narrow_i16x8_s(a, b);
    if (sizeof<P>() == 1) {
      v128.store(codes, i16x8.shr_s(i16x8.shl(c, 8), 8));
      v128.store(codes, i16x8.shr_s(c, 8), 16);
    } else {
      v128.store(codes, c);
    }
  }
}

@inline function peak4(peaks: v128, x: v128): v128 { return i32x4.max_s(peaks, f32x4.abs(x)); }

@inline function putSide(side: usize, peaks: v128, sums: v128): void {
  store<f32>(side, horizontalMax(peaks));
  store<f32>(side, horizontalSum(sums), 4);
}

/** Rows x0..x3 of `bytes` / 4 values with scales and minima folded in: codes [R][stride], side data [R]. `scaled`: f32 [stride values]. */
function fold<P, R>(
  x0: usize, x1: usize, x2: usize, x3: usize, bytes: usize, scales: usize, minima: usize, scaled: usize, codes: usize, stride: usize, side: usize,
): void {
  const padded = (bytes + 63) & -64, y0 = scaled, y1 = y0 + padded, y2 = y1 + padded, y3 = y2 + padded, none = f32x4.splat(0);
  let k0 = none, k1 = none, k2 = none, k3 = none, z0 = none, z1 = none, z2 = none, z3 = none;
  for (let i: usize = 0; i < bytes; i += 16) {
    const s = scales4(scales + (i >> 1)), m = minima4(minima + (i >> 1));
    let x = v128.load(x0 + i), y = f32x4.mul(x, s);
    v128.store(y0 + i, y); k0 = peak4(k0, y); z0 = f32x4.add(z0, f32x4.mul(x, m));
    if (rowsOf<R>() > 1) {
      x = v128.load(x1 + i); y = f32x4.mul(x, s);
      v128.store(y1 + i, y); k1 = peak4(k1, y); z1 = f32x4.add(z1, f32x4.mul(x, m));
    }
    if (rowsOf<R>() > 2) {
      x = v128.load(x2 + i); y = f32x4.mul(x, s);
      v128.store(y2 + i, y); k2 = peak4(k2, y); z2 = f32x4.add(z2, f32x4.mul(x, m));
    }
    if (rowsOf<R>() > 3) {
      x = v128.load(x3 + i); y = f32x4.mul(x, s);
      v128.store(y3 + i, y); k3 = peak4(k3, y); z3 = f32x4.add(z3, f32x4.mul(x, m));
    }
  }
  putSide(side, k0, z0);
  if (rowsOf<R>() > 1) putSide(side + 8, k1, z1);
  if (rowsOf<R>() > 2) putSide(side + 16, k2, z2);
  if (rowsOf<R>() > 3) putSide(side + 24, k3, z3);
  for (let r: usize = 0; r < <usize>rowsOf<R>(); r++) {
    const y = scaled + r * padded;
    for (let i = bytes; i < padded; i += 16) v128.store(y + i, none);
    quantise<P>(y, padded, codes + r * stride, side + 8 * r);
  }
}

/** R rows from `row` on over all pages. Scratch: scores [4][PAGE], side data of two planes [4], decays [4], scaled vectors [4], codes of two planes [4]. */
function block<P, R>(
  q: usize, qStride: i32, row: i32, group: i32, headDim: i32, scale: f32,
  page: usize, pages: i32, pageBytes: i32, keyGroup: i32, valueGroup: i32, out: usize, state: usize, fresh: bool, scratch: usize,
): void {
  const bytes = <usize>headDim << 2, depth = (headDim + 15) & -16, half = headDim >> 1, groups = (half + valueGroup - 1) / valueGroup;
  const joined = keyGroup == PAGE, keyBytes = joined ? 2 * <usize>headDim : 4 * <usize>headDim, valueBytes = <usize>(4 * PAGE * groups);
  const lowSide = scratch + 16 * PAGE, highSide = lowSide + 32, decays = highSide + 32, scaled = decays + 64;
  const low = scaled + <usize>(16 * max(PAGE, depth)), plane = <usize>(8 * max(PAGE, depth)), high = low + plane;
  const q0 = queryAt(q, qStride, group, headDim, row), q1 = rowsOf<R>() > 1 ? queryAt(q, qStride, group, headDim, row + 1) : 0;
  const q2 = rowsOf<R>() > 2 ? queryAt(q, qStride, group, headDim, row + 2) : 0, q3 = rowsOf<R>() > 3 ? queryAt(q, qStride, group, headDim, row + 3) : 0;
  const queryStride = <usize>(depth >> 4) * stepBytes<P>(), weightStride = <usize>(PAGE / 16) * stepBytes<P>();
  const score1 = scratch + 4 * PAGE, score2 = score1 + 4 * PAGE, score3 = score2 + 4 * PAGE;
  for (let p = 0; p < pages; p++, page += <usize>pageBytes) {
    const values = page + <usize>(depth * (PAGE / 2)), keyScales = values + <usize>(headDim * (PAGE / 2)), valueScales = keyScales + 2 * keyBytes;
    const first = fresh && p == 0;
    fold<P, R>(q0, q1, q2, q3, bytes, keyScales, keyScales + keyBytes, scaled, low, queryStride, lowSide);
    if (!joined) {
      fold<P, R>(q0, q1, q2, q3, bytes, keyScales + (bytes >> 1), keyScales + keyBytes + (bytes >> 1), scaled, high, queryStride, highSide);
    }
    tile<P, R>(
      page, depth >> 2, PAGE / 2, low, joined ? low : high, queryStride, lowSide, joined ? lowSide : highSide, scratch, 2 * PAGE, 4 * PAGE, decays, true,
    );
    for (let r: usize = 0; r < <usize>rowsOf<R>(); r++) {
      store<f32>(decays + 4 * r, softmax(scratch + 4 * PAGE * r, PAGE, scale, state + 8 * r, first));
    }
    for (let g = 0; g < groups; g++) {
      const from = g * valueGroup, count = min(valueGroup, half - from), lowAt = valueScales + <usize>(2 * PAGE * g), highAt = lowAt + (valueBytes >> 1);
      fold<P, R>(scratch, score1, score2, score3, 4 * PAGE, lowAt, lowAt + valueBytes, scaled, low, weightStride, lowSide);
      fold<P, R>(scratch, score1, score2, score3, 4 * PAGE, highAt, highAt + valueBytes, scaled, high, weightStride, highSide);
      tile<P, R>(
        values + <usize>(from * PAGE), PAGE / 4, count, low, high, weightStride, lowSide, highSide,
        out + (<usize>from << 2), bytes >> 1, bytes, decays, first,
      );
    }
  }
}

/** `scratch` is a multiple of 16. */
@inline export function attention<P>(
  q: usize, qStride: i32, tokens: i32, group: i32, headDim: i32, scale: f32,
  page: usize, pages: i32, pageBytes: i32, keyGroup: i32, valueGroup: i32, out: usize, state: usize, fresh: i32, scratch: usize,
): void {
  const first = fresh != 0, step = 16 * <usize>headDim;
  let row = 0;
  for (const last = tokens * group - 4; row <= last; row += 4, out += step, state += 32) {
    block<P, N12>(q, qStride, row, group, headDim, scale, page, pages, pageBytes, keyGroup, valueGroup, out, state, first, scratch);
  }
  const rest = tokens * group - row;
  if (rest == 3) block<P, N8>(q, qStride, row, group, headDim, scale, page, pages, pageBytes, keyGroup, valueGroup, out, state, first, scratch);
  if (rest == 2) block<P, N4>(q, qStride, row, group, headDim, scale, page, pages, pageBytes, keyGroup, valueGroup, out, state, first, scratch);
  if (rest == 1) block<P, N0>(q, qStride, row, group, headDim, scale, page, pages, pageBytes, keyGroup, valueGroup, out, state, first, scratch);
}
