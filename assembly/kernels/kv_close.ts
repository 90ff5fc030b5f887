import { PAGE } from '../../src/formats/descriptor';
import { f16x4ToF32, f32x4ToF16, loadF16x4 } from '../lib/f16';
import { N0, N12, N4, N8 } from '../lib/literal';

/*
 * A full 8-bit page to 4 bits (layouts: src/formats/kv-layout.ts; formulas: src/backends/reference/kv-close.ts). Both parts of a page are matrices whose
 * groups run along rows: keys [64 tokens][D channels] with a scale per row, values [D channels][64 tokens] with a scale per column. 4 columns go together.
 */

/** Four rows of column C / 4 of the 4 columns at `codes`. */
@inline function column<C>(codes: usize, scale: v128): v128 {
  const pair = offsetof<C>() >= 8 ? v128.load_ext<i8>(codes, 8) : v128.load_ext<i8>(codes);
  const wide = offsetof<C>() & 4 ? i32x4.shr_s(pair, 16) : i32x4.shr_s(i32x4.shl(pair, 16), 16);
  return f32x4.mul(f32x4.convert_i32x4_s(wide), scale);
}

/** Scale of column C / 4 for the rows at `rows`, or for all rows, where `columns` are 4 column scales. */
@inline function scaleOf<C>(rows: usize, columns: usize): v128 {
  return columns ? v128.load32_splat(columns, offsetof<C>()) : v128.load(rows);
}

/** Lane i: the least lane of the i-th vector. */
@inline function lowest(a: v128, b: v128, c: v128, d: v128): v128 {
  const x = f32x4.min(v128.shuffle<f32>(a, b, 0, 4, 1, 5), v128.shuffle<f32>(a, b, 2, 6, 3, 7));
  const y = f32x4.min(v128.shuffle<f32>(c, d, 0, 4, 1, 5), v128.shuffle<f32>(c, d, 2, 6, 3, 7));
  return f32x4.min(v128.shuffle<f32>(x, y, 0, 1, 4, 5), v128.shuffle<f32>(x, y, 2, 3, 6, 7));
}

@inline function highest(a: v128, b: v128, c: v128, d: v128): v128 {
  const x = f32x4.max(v128.shuffle<f32>(a, b, 0, 4, 1, 5), v128.shuffle<f32>(a, b, 2, 6, 3, 7));
  const y = f32x4.max(v128.shuffle<f32>(c, d, 0, 4, 1, 5), v128.shuffle<f32>(c, d, 2, 6, 3, 7));
  return f32x4.max(v128.shuffle<f32>(x, y, 0, 1, 4, 5), v128.shuffle<f32>(x, y, 2, 3, 6, 7));
}

/** The least value of a group in each of 4 columns. */
function minimaOf(codes: usize, across: usize, vectors: i32, rows: usize, columns: usize): v128 {
  const most = f32x4.splat(-f32.NEGATIVE_INFINITY);
  let a = most, b = most, c = most, d = most;
  for (; vectors > 0; vectors--, codes += across, rows += 16) {
    a = f32x4.min(a, column<N0>(codes, scaleOf<N0>(rows, columns)));
    b = f32x4.min(b, column<N4>(codes, scaleOf<N4>(rows, columns)));
    c = f32x4.min(c, column<N8>(codes, scaleOf<N8>(rows, columns)));
    d = f32x4.min(d, column<N12>(codes, scaleOf<N12>(rows, columns)));
  }
  return lowest(a, b, c, d);
}

/** The greatest. */
function maximaOf(codes: usize, across: usize, vectors: i32, rows: usize, columns: usize): v128 {
  const least = f32x4.splat(f32.NEGATIVE_INFINITY);
  let a = least, b = least, c = least, d = least;
  for (; vectors > 0; vectors--, codes += across, rows += 16) {
    a = f32x4.max(a, column<N0>(codes, scaleOf<N0>(rows, columns)));
    b = f32x4.max(b, column<N4>(codes, scaleOf<N4>(rows, columns)));
    c = f32x4.max(c, column<N8>(codes, scaleOf<N8>(rows, columns)));
    d = f32x4.max(d, column<N12>(codes, scaleOf<N12>(rows, columns)));
  }
  return highest(a, b, c, d);
}

/** Stores the halves in the low 16 bits of four lanes. */
@inline function storeHalves(at: usize, halves: v128): void {
  v128.store_lane<u64>(at, i16x8.narrow_i32x4_u(halves, halves), 0);
}

/** A group's scales and minima for 4 columns, as halves. */
function settle(codes: usize, across: usize, vectors: i32, rows: usize, columns: usize, scales: usize, minima: usize): void {
  const minimum = f32x4ToF16(minimaOf(codes, across, vectors, rows, columns));
  const range = f32x4.sub(maximaOf(codes, across, vectors, rows, columns), f16x4ToF32(minimum));
  storeHalves(scales, f32x4ToF16(f32x4.div(f32x4.max(f32x4.splat(0), range), f32x4.splat(15))));
  storeHalves(minima, minimum);
}

/** 1 / scale, 0 for 0. */
@inline function inverses(scales: usize): v128 {
  const scale = loadF16x4(scales);
  return v128.and(f32x4.div(f32x4.splat(1), scale), f32x4.gt(scale, f32x4.splat(0)));
}

/** Lane C / 4 in every lane. */
@inline function lane<C>(x: v128): v128 {
  return v128.shuffle<f32>(x, x, <u8>(offsetof<C>() / 4), <u8>(offsetof<C>() / 4), <u8>(offsetof<C>() / 4), <u8>(offsetof<C>() / 4));
}

/** Four rows' codes of column C / 4, in its byte of i32 lanes. */
@inline function code<C>(codes: usize, rows: usize, columns: usize, minimum: v128, inverse: v128): v128 {
  const x = f32x4.sub(column<C>(codes, scaleOf<C>(rows, columns)), lane<C>(minimum));
  const rounded = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(x, lane<C>(inverse))));
  return i32x4.shl(i32x4.max_s(i32x4.min_s(rounded, i32x4.splat(15)), i32x4.splat(0)), 2 * <i32>offsetof<C>());
}

@inline function code4(codes: usize, rows: usize, columns: usize, minimum: v128, inverse: v128): v128 {
  const a = code<N0>(codes, rows, columns, minimum, inverse), b = code<N4>(codes, rows, columns, minimum, inverse);
  const c = code<N8>(codes, rows, columns, minimum, inverse), d = code<N12>(codes, rows, columns, minimum, inverse);
  return v128.or(v128.or(a, b), v128.or(c, d));
}

/**
 * A group of 8 * `vectors` rows of 4 columns. 8-bit vectors lie `across` bytes apart, packed ones `toAcross`; scales are per row, or per column where
 * there are `columns`.
 */
function closeGroup(
  codes: usize, across: usize, vectors: i32, rows: usize, columns: usize, to: usize, toAcross: usize, scales: usize, minima: usize,
): void {
  settle(codes, across, 2 * vectors, rows, columns, scales, minima);
  const minimum = loadF16x4(minima), inverse = inverses(scales);
  for (; vectors > 0; vectors--, rows += 32, codes += 2 * across, to += toAcross) {
    const high = code4(codes + across, rows + 16, columns, minimum, inverse);
    v128.store(to, v128.or(code4(codes, rows, columns, minimum, inverse), i32x4.shl(high, 4)));
  }
}

export function kv_close_i8h_u4_simd128(page8: usize, page4: usize, kvHeads: i32, headDim: i32, keyGroup: i32, valueGroup: i32): void {
  const row = <usize>headDim, depth = (row + 15) & -16, keySide = 2 * row * <usize>(PAGE / keyGroup);
  const valueSide = <usize>(2 * PAGE * ((headDim + valueGroup - 1) / valueGroup));
  for (let head = 0; head < kvHeads; head++) {
    const rowScales = page8 + 2 * row * PAGE;
    const values8 = page8 + row * PAGE, values4 = page4 + depth * (PAGE / 2), keyScales = values4 + row * (PAGE / 2), valueScales = keyScales + 2 * keySide;
    for (let c: usize = 0; c < row; c += 4) {
      for (let t = 0, at = keyScales + 2 * c; t < PAGE; t += keyGroup, at += 2 * row) {
        const n = <usize>t;
        closeGroup(page8 + n * row + 4 * c, 4 * row, keyGroup >> 3, rowScales + 4 * n, 0, page4 + (n >> 1) * depth + 4 * c, 4 * depth, at, at + keySide);
      }
    }
    for (let t: usize = 0; t < <usize>PAGE; t += 4) {
      for (let c = 0, at = valueScales + 2 * t; c < headDim; c += valueGroup, at += 2 * PAGE) {
        const n = <usize>c, vectors = min(valueGroup, headDim - c) >> 3;
        closeGroup(
          values8 + n * PAGE + 4 * t, 4 * PAGE, vectors, 0, rowScales + 4 * PAGE + 4 * t, values4 + n * (PAGE / 2) + 4 * t, 4 * PAGE, at, at + valueSide,
        );
      }
    }
    page8 = rowScales + 8 * PAGE;
    page4 = valueScales + 2 * valueSide;
  }
}
