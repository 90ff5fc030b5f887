import { PAGE } from '../../src/formats/descriptor';
import { byteStep, macBytes } from '../lib/dot_bytes';
import { N0, N12, N4, N8 } from '../lib/literal';
import { code4, inverseOf, scaleOf } from '../lib/quantise_vector';
import { horizontalMax, horizontalSum } from '../lib/reduce';
import { CONSTANTS, advance, halfBits, magnitudeBits, nibbles, queryAt, rebias, round, rowsOf, softmax, writeConstants } from './attention_rows';

/*
 * Attention over 4-bit pages on the path P of lib/dot.ts (formulas: src/backends/reference/attention-codes.ts; layout: src/formats/kv-layout.ts).
 * Both products are the same tile: R rows of 8-bit codes by a matrix in vectors of 8 rows by 4 columns. Side data of a row of codes: its scale, then
 * its offset.
 */
const LIMIT: f32 = 127;
const MIDDLE: f32 = 7.5;

/** Four scales, which are no less than 0, to f32 (lib/f16.ts). */
@inline function scales4(address: usize, constants: usize): v128 { return f32x4.mul(i32x4.shl(v128.load_ext<u16>(address), 13), rebias(constants)); }

/** Four minima: sign extension puts the sign in its place. */
@inline function minima4(address: usize, constants: usize): v128 {
  return f32x4.mul(v128.and(i32x4.shl(v128.load_ext<i16>(address), 13), halfBits(constants)), rebias(constants));
}

/** Eight outputs of a row: sum * scale + offset. */
@inline function put(c: v128, d: v128, side: usize, out: usize, decays: usize, fresh: bool): void {
  const scale = v128.load32_splat(side), offset = v128.load32_splat(side, 4), decay = v128.load32_splat(decays);
  advance(out, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(c), scale), offset), decay, fresh);
  advance(out + 16, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(d), scale), offset), decay, fresh);
}

@inline function flush(c: v128, p: v128): v128 { return i32x4.add(c, i32x4.extadd_pairwise_i16x8_s(p)); }

/**
 * out[r][n], n < count (a multiple of 8), by `columns` (a multiple of 16). Rows of codes lie `stride` apart, those of out `outStride`. The i16 path moves
 * its sums on after 8 vectors: 8 * 2 * 15 * 127 < 2^15.
 */
function tile<P, R>(
  w: usize, columns: i32, count: i32, codes: usize, stride: usize, side: usize, out: usize, outStride: usize, decays: usize, fresh: bool, nibble: v128,
): void {
  const none = i32x4.splat(0), whole = <usize>(columns >> 4) * byteStep<P>(), chunk = sizeof<P>() == 2 ? 2 * byteStep<P>() : whole;
  for (const last = out + (<usize>count << 2); out < last; out += 32) {
    let p0 = none, p1 = none, p2 = none, p3 = none, q0 = none, q1 = none, q2 = none, q3 = none;
    let c0 = none, c1 = none, c2 = none, c3 = none, d0 = none, d1 = none, d2 = none, d3 = none;
    for (let a = codes, end = codes + whole; a < end;) {
      for (const stop = min(a + chunk, end); a < stop; a += byteStep<P>(), w += 64) {
        const a1 = a + stride, a2 = a1 + stride, a3 = a2 + stride;
        let v = v128.load(w), l = v128.and(v, nibble), h = v128.and(i16x8.shr_u(v, 4), nibble);
        p0 = macBytes<P, N0>(p0, l, a); q0 = macBytes<P, N0>(q0, h, a);
        if (rowsOf<R>() > 1) { p1 = macBytes<P, N0>(p1, l, a1); q1 = macBytes<P, N0>(q1, h, a1); }
        if (rowsOf<R>() > 2) { p2 = macBytes<P, N0>(p2, l, a2); q2 = macBytes<P, N0>(q2, h, a2); }
        if (rowsOf<R>() > 3) { p3 = macBytes<P, N0>(p3, l, a3); q3 = macBytes<P, N0>(q3, h, a3); }
        v = v128.load(w, 16); l = v128.and(v, nibble); h = v128.and(i16x8.shr_u(v, 4), nibble);
        p0 = macBytes<P, N4>(p0, l, a); q0 = macBytes<P, N4>(q0, h, a);
        if (rowsOf<R>() > 1) { p1 = macBytes<P, N4>(p1, l, a1); q1 = macBytes<P, N4>(q1, h, a1); }
        if (rowsOf<R>() > 2) { p2 = macBytes<P, N4>(p2, l, a2); q2 = macBytes<P, N4>(q2, h, a2); }
        if (rowsOf<R>() > 3) { p3 = macBytes<P, N4>(p3, l, a3); q3 = macBytes<P, N4>(q3, h, a3); }
        v = v128.load(w, 32); l = v128.and(v, nibble); h = v128.and(i16x8.shr_u(v, 4), nibble);
        p0 = macBytes<P, N8>(p0, l, a); q0 = macBytes<P, N8>(q0, h, a);
        if (rowsOf<R>() > 1) { p1 = macBytes<P, N8>(p1, l, a1); q1 = macBytes<P, N8>(q1, h, a1); }
        if (rowsOf<R>() > 2) { p2 = macBytes<P, N8>(p2, l, a2); q2 = macBytes<P, N8>(q2, h, a2); }
        if (rowsOf<R>() > 3) { p3 = macBytes<P, N8>(p3, l, a3); q3 = macBytes<P, N8>(q3, h, a3); }
        v = v128.load(w, 48); l = v128.and(v, nibble); h = v128.and(i16x8.shr_u(v, 4), nibble);
        p0 = macBytes<P, N12>(p0, l, a); q0 = macBytes<P, N12>(q0, h, a);
        if (rowsOf<R>() > 1) { p1 = macBytes<P, N12>(p1, l, a1); q1 = macBytes<P, N12>(q1, h, a1); }
        if (rowsOf<R>() > 2) { p2 = macBytes<P, N12>(p2, l, a2); q2 = macBytes<P, N12>(q2, h, a2); }
        if (rowsOf<R>() > 3) { p3 = macBytes<P, N12>(p3, l, a3); q3 = macBytes<P, N12>(q3, h, a3); }
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
    put(c0, d0, side, out, decays, fresh);
    if (rowsOf<R>() > 1) put(c1, d1, side + 8, out + outStride, decays + 4, fresh);
    if (rowsOf<R>() > 2) put(c2, d2, side + 16, out + 2 * outStride, decays + 8, fresh);
    if (rowsOf<R>() > 3) put(c3, d3, side + 24, out + 3 * outStride, decays + 12, fresh);
  }
}

/**
 * i8 codes of `bytes` / 4 values (a multiple of 16) in the path's form. `side` holds the peak and the sum of minima; it gets the scale and the offset, to
 * which what the codes lost is added at the middle of the other operand's codes.
 */
@inline function quantise<P>(x: usize, bytes: usize, codes: usize, side: usize, constants: usize): void {
  const peak = load<f32>(side), inverse = inverseOf(peak, LIMIT), scale = scaleOf(peak, LIMIT), bias = round(constants);
  let exact = f32x4.splat(0), coded = i16x8.splat(0);
  for (const end = x + bytes; x < end; x += 64, codes += byteStep<P>()) {
    const v0 = v128.load(x), v1 = v128.load(x, 16), v2 = v128.load(x, 32), v3 = v128.load(x, 48);
    const a = i16x8.narrow_i32x4_s(code4(v0, inverse, bias), code4(v1, inverse, bias));
    const b = i16x8.narrow_i32x4_s(code4(v2, inverse, bias), code4(v3, inverse, bias));
    const c = i8x16.narrow_i16x8_s(a, b);
    exact = f32x4.add(f32x4.add(f32x4.add(f32x4.add(exact, v0), v1), v2), v3);
    coded = i16x8.add(coded, i16x8.add(a, b));
    if (sizeof<P>() == 1) {
      v128.store(codes, i16x8.shr_s(i16x8.shl(c, 8), 8));
      v128.store(codes, i16x8.shr_s(c, 8), 16);
    } else {
      v128.store(codes, c);
    }
  }
  const sums = i32x4.extadd_pairwise_i16x8_s(coded);
  const sum = i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1) + i32x4.extract_lane(sums, 2) + i32x4.extract_lane(sums, 3);
  store<f32>(side, scale);
  store<f32>(side, load<f32>(side, 4) + MIDDLE * (horizontalSum(exact) - scale * <f32>sum), 4);
}

@inline function peak4(peaks: v128, x: v128, constants: usize): v128 { return i32x4.max_s(peaks, v128.and(x, magnitudeBits(constants))); }

@inline function putSide(side: usize, peaks: v128, sums: v128): void {
  store<f32>(side, horizontalMax(peaks));
  store<f32>(side, horizontalSum(sums), 4);
}

/** Rows x0..x3 of `bytes` / 4 values with scales and minima folded in: codes [R][stride], side data [R]. `scaled`: f32 [stride values]. */
function fold<P, R>(
  x0: usize, x1: usize, x2: usize, x3: usize, bytes: usize, scales: usize, minima: usize, scaled: usize, codes: usize, stride: usize, side: usize,
  constants: usize,
): void {
  const padded = (bytes + 63) & -64, y0 = scaled, y1 = y0 + padded, y2 = y1 + padded, y3 = y2 + padded, none = f32x4.splat(0);
  let k0 = none, k1 = none, k2 = none, k3 = none, z0 = none, z1 = none, z2 = none, z3 = none;
  for (let i: usize = 0; i < bytes; i += 16) {
    const s = scales4(scales + (i >> 1), constants), m = minima4(minima + (i >> 1), constants);
    let x = v128.load(x0 + i), y = f32x4.mul(x, s);
    v128.store(y0 + i, y); k0 = peak4(k0, y, constants); z0 = f32x4.add(z0, f32x4.mul(x, m));
    if (rowsOf<R>() > 1) {
      x = v128.load(x1 + i); y = f32x4.mul(x, s);
      v128.store(y1 + i, y); k1 = peak4(k1, y, constants); z1 = f32x4.add(z1, f32x4.mul(x, m));
    }
    if (rowsOf<R>() > 2) {
      x = v128.load(x2 + i); y = f32x4.mul(x, s);
      v128.store(y2 + i, y); k2 = peak4(k2, y, constants); z2 = f32x4.add(z2, f32x4.mul(x, m));
    }
    if (rowsOf<R>() > 3) {
      x = v128.load(x3 + i); y = f32x4.mul(x, s);
      v128.store(y3 + i, y); k3 = peak4(k3, y, constants); z3 = f32x4.add(z3, f32x4.mul(x, m));
    }
  }
  putSide(side, k0, z0);
  if (rowsOf<R>() > 1) putSide(side + 8, k1, z1);
  if (rowsOf<R>() > 2) putSide(side + 16, k2, z2);
  if (rowsOf<R>() > 3) putSide(side + 24, k3, z3);
  for (let r: usize = 0; r < <usize>rowsOf<R>(); r++) {
    const y = scaled + r * padded;
    for (let i = bytes; i < padded; i += 16) v128.store(y + i, none);
    quantise<P>(y, padded, codes + r * stride, side + 8 * r, constants);
  }
}

/** R rows from `row` on over all pages. Scratch: constants, scores [4][PAGE], side data [4], decays [4], scaled vectors [4], codes [4]. */
function block<P, R>(
  q: usize, qStride: i32, row: i32, group: i32, headDim: i32, scale: f32,
  page: usize, pages: i32, pageBytes: i32, keyGroup: i32, valueGroup: i32, out: usize, state: usize, fresh: bool, scratch: usize,
): void {
  const width = <usize>headDim, bytes = width << 2, depth = (headDim + 15) & -16;
  const p0 = scratch + CONSTANTS, p1 = p0 + 4 * PAGE, p2 = p1 + 4 * PAGE, p3 = p2 + 4 * PAGE;
  const side = p3 + 4 * PAGE, decays = side + 32, scaled = decays + 16, codes = scaled + <usize>(16 * max(PAGE, depth));
  const q0 = queryAt(q, qStride, group, headDim, row), q1 = rowsOf<R>() > 1 ? queryAt(q, qStride, group, headDim, row + 1) : 0;
  const q2 = rowsOf<R>() > 2 ? queryAt(q, qStride, group, headDim, row + 2) : 0, q3 = rowsOf<R>() > 3 ? queryAt(q, qStride, group, headDim, row + 3) : 0;
  const queryStride = <usize>(depth >> 4) * byteStep<P>(), weightStride = <usize>(PAGE / 16) * byteStep<P>();
  const keySide = 2 * width * <usize>(PAGE / keyGroup), valueSide = <usize>(2 * PAGE * ((headDim + valueGroup - 1) / valueGroup));
  for (let p = 0; p < pages; p++, page += <usize>pageBytes) {
    const values = page + <usize>(depth * (PAGE / 2)), keyScales = values + width * (PAGE / 2), valueScales = keyScales + 2 * keySide;
    const first = fresh && p == 0;
    for (let t = 0, s = keyScales; t < PAGE; t += keyGroup, s += 2 * width) {
      fold<P, R>(q0, q1, q2, q3, bytes, s, s + keySide, scaled, codes, queryStride, side, scratch);
      tile<P, R>(page + <usize>(t * (depth >> 1)), depth, keyGroup, codes, queryStride, side, p0 + (<usize>t << 2), 4 * PAGE, decays, true, nibbles(scratch));
    }
    for (let r: usize = 0; r < <usize>rowsOf<R>(); r++) {
      store<f32>(decays + 4 * r, softmax(p0 + 4 * PAGE * r, PAGE, scale, state + 8 * r, first, scratch));
    }
    for (let c = 0, s = valueScales; c < headDim; c += valueGroup, s += 2 * PAGE) {
      const from = <usize>c, count = min(valueGroup, headDim - c);
      fold<P, R>(p0, p1, p2, p3, 4 * PAGE, s, s + valueSide, scaled, codes, weightStride, side, scratch);
      tile<P, R>(values + from * (PAGE / 2), PAGE, count, codes, weightStride, side, out + (from << 2), bytes, decays, first, nibbles(scratch));
    }
  }
}

/** `scratch` is a multiple of 16. */
@inline export function attention<P>(
  q: usize, qStride: i32, tokens: i32, group: i32, headDim: i32, scale: f32,
  page: usize, pages: i32, pageBytes: i32, keyGroup: i32, valueGroup: i32, out: usize, state: usize, fresh: i32, scratch: usize,
): void {
  const first = fresh != 0, step = 16 * <usize>headDim;
  writeConstants(scratch);
  let row = 0;
  for (const last = tokens * group - 4; row <= last; row += 4, out += step, state += 32) {
    block<P, N12>(q, qStride, row, group, headDim, scale, page, pages, pageBytes, keyGroup, valueGroup, out, state, first, scratch);
  }
  const rest = tokens * group - row;
  if (rest == 3) block<P, N8>(q, qStride, row, group, headDim, scale, page, pages, pageBytes, keyGroup, valueGroup, out, state, first, scratch);
  if (rest == 2) block<P, N4>(q, qStride, row, group, headDim, scale, page, pages, pageBytes, keyGroup, valueGroup, out, state, first, scratch);
  if (rest == 1) block<P, N0>(q, qStride, row, group, headDim, scale, page, pages, pageBytes, keyGroup, valueGroup, out, state, first, scratch);
}
