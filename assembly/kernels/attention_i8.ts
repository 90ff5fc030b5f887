import { PAGE } from '../../src/formats/descriptor';
import { N0, N12, N4, N8 } from '../lib/literal';
import { code4, inverseOf, scaleOf } from '../lib/quantise_vector';
import { horizontalMax } from '../lib/reduce';
import { CONSTANTS, advance, magnitudeBits, queryAt, round, rowsOf, softmax, writeConstants } from './attention_rows';

/*
 * Attention over 8-bit pages by `i32x4.dot_i16x8_s` (formulas: src/backends/reference/attention-codes.ts; layout: src/formats/kv-layout.ts).
 * Both products are the same tile: R rows of codes by a matrix in vectors of 4 rows by 2 columns.
 */
const LIMIT: f32 = 16383;

@inline function dot(acc: v128, w: v128, a: usize): v128 { return i32x4.add(acc, i32x4.dot_i16x8_s(w, v128.load32_splat(a))); }

/** Eight outputs of a row: sum * scale, times the columns' own scales if there are any. */
@inline function put(c: v128, d: v128, scale: usize, columns: usize, out: usize, decays: usize, fresh: bool): void {
  const s = v128.load32_splat(scale), decay = v128.load32_splat(decays);
  let x = f32x4.mul(f32x4.convert_i32x4_s(c), s), y = f32x4.mul(f32x4.convert_i32x4_s(d), s);
  if (columns) {
    x = f32x4.mul(x, v128.load(columns));
    y = f32x4.mul(y, v128.load(columns, 16));
  }
  advance(out, x, decay, fresh);
  advance(out + 16, y, decay, fresh);
}

/** out[r][n] by the first `steps` pairs of columns, n < count (a multiple of 8). Rows of codes lie `stride` apart, vectors `across`, rows of out `outStride`. */
function tile<R>(
  w: usize, across: usize, steps: i32, count: i32, codes: usize, stride: usize, scales: usize, columns: usize,
  out: usize, outStride: usize, decays: usize, fresh: bool,
): void {
  const b = stride, c = 2 * stride, d = 3 * stride;
  for (const last = out + (<usize>count << 2); out < last; w += 2 * across, out += 32) {
    let x0 = i32x4.splat(0), x1 = x0, x2 = x0, x3 = x0, y0 = x0, y1 = x0, y2 = x0, y3 = x0;
    for (let v = w, a = codes, end = w + (<usize>steps << 3); v < end; v += 8, a += 4) {
      const s = v128.load_ext<i8>(v), t = v128.load_ext<i8>(v + across);
      x0 = dot(x0, s, a); y0 = dot(y0, t, a);
      if (rowsOf<R>() > 1) { x1 = dot(x1, s, a + b); y1 = dot(y1, t, a + b); }
      if (rowsOf<R>() > 2) { x2 = dot(x2, s, a + c); y2 = dot(y2, t, a + c); }
      if (rowsOf<R>() > 3) { x3 = dot(x3, s, a + d); y3 = dot(y3, t, a + d); }
    }
    put(x0, y0, scales, columns, out, decays, fresh);
    if (rowsOf<R>() > 1) put(x1, y1, scales + 4, columns, out + outStride, decays + 4, fresh);
    if (rowsOf<R>() > 2) put(x2, y2, scales + 8, columns, out + 2 * outStride, decays + 8, fresh);
    if (rowsOf<R>() > 3) put(x3, y3, scales + 12, columns, out + 3 * outStride, decays + 12, fresh);
    if (columns) columns += 32;
  }
}

/** i16 codes of `bytes` / 4 values (a multiple of 8); the scale to `scale`. */
function quantise(x: usize, bytes: usize, codes: usize, scale: usize, constants: usize): void {
  let peaks = i32x4.splat(0);
  for (let i: usize = 0; i < bytes; i += 16) peaks = i32x4.max_s(peaks, v128.and(v128.load(x + i), magnitudeBits(constants)));
  const peak = horizontalMax(peaks), inverse = inverseOf(peak, LIMIT), bias = round(constants);
  store<f32>(scale, scaleOf(peak, LIMIT));
  for (let i: usize = 0; i < bytes; i += 32) {
    v128.store(codes + (i >> 1), i16x8.narrow_i32x4_s(code4(v128.load(x + i), inverse, bias), code4(v128.load(x + i, 16), inverse, bias)));
  }
}

/** p[t] *= scales[t] for t < count; scales behind may be anything. */
@inline function foldScales(p: usize, count: i32, scales: usize): void {
  const end = p + (<usize>count << 2), whole = p + (<usize>(count & -4) << 2);
  for (; p < whole; p += 16, scales += 16) v128.store(p, f32x4.mul(v128.load(p), v128.load(scales)));
  for (; p < end; p += 4, scales += 4) store<f32>(p, load<f32>(p) * load<f32>(scales));
}

/** R rows from `row` on over all pages. Scratch: constants, scores [4][PAGE], scales of queries and of weights [4], decays [4], codes of weights [4][PAGE] and of queries. */
function block<R>(
  q: usize, qStride: i32, row: i32, group: i32, headDim: i32, scale: f32,
  page: usize, pages: i32, pageBytes: i32, visible: i32, out: usize, state: usize, fresh: bool, scratch: usize,
): void {
  const bytes = <usize>headDim << 2, part = <usize>headDim * PAGE, scores = scratch + CONSTANTS;
  const queryScales = scores + 16 * PAGE, scales = queryScales + 16, decays = scales + 16;
  const weights = decays + 16, queries = weights + 8 * PAGE;
  for (let r: usize = 0; r < <usize>rowsOf<R>(); r++) {
    quantise(queryAt(q, qStride, group, headDim, row + <i32>r), bytes, queries + r * (bytes >> 1), queryScales + 4 * r, scratch);
  }
  for (let p = 0; p < pages; p++, page += <usize>pageBytes, visible -= PAGE) {
    const columns = page + 2 * part, most = min(PAGE, visible + (row + rowsOf<R>() - 1) / group), first = fresh && p == 0;
    tile<R>(page, bytes, headDim >> 1, (most + 7) & -8, queries, bytes >> 1, queryScales, columns, scores, 4 * PAGE, decays, true);
    for (let r: usize = 0; r < <usize>rowsOf<R>(); r++) {
      const own = scores + 4 * PAGE * r, count = min(PAGE, visible + (row + <i32>r) / group);
      store<f32>(decays + 4 * r, softmax(own, count, scale, state + 8 * r, first, scratch));
      foldScales(own, count, columns + 4 * PAGE);
      quantise(own, 4 * PAGE, weights + 2 * PAGE * r, scales + 4 * r, scratch);
    }
    tile<R>(page + part, 4 * PAGE, (most + 1) >> 1, headDim, weights, 2 * PAGE, scales, 0, out, bytes, decays, first);
  }
}

/** `scratch` is a multiple of 16. */
export function attention_f32_i8h_f32_simd128(
  q: usize, qStride: i32, tokens: i32, group: i32, headDim: i32, scale: f32,
  page: usize, pages: i32, pageBytes: i32, visible: i32, out: usize, state: usize, fresh: i32, scratch: usize,
): void {
  const first = fresh != 0, step = 16 * <usize>headDim;
  writeConstants(scratch);
  let row = 0;
  for (const last = tokens * group - 4; row <= last; row += 4, out += step, state += 32) {
    block<N12>(q, qStride, row, group, headDim, scale, page, pages, pageBytes, visible, out, state, first, scratch);
  }
  const rest = tokens * group - row;
  if (rest == 3) block<N8>(q, qStride, row, group, headDim, scale, page, pages, pageBytes, visible, out, state, first, scratch);
  if (rest == 2) block<N4>(q, qStride, row, group, headDim, scale, page, pages, pageBytes, visible, out, state, first, scratch);
  if (rest == 1) block<N0>(q, qStride, row, group, headDim, scale, page, pages, pageBytes, visible, out, state, first, scratch);
}
