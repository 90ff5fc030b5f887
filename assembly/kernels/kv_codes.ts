import { PAGE } from '../../src/formats/descriptor';
import { f16x4ToF32, f32x4ToF16 } from '../lib/f16';
import { widenU8x4 } from '../lib/widen';

/*
 * Pages of codes (layout: src/formats/kv-layout.ts; formulas: src/backends/reference/kv-codes.ts). Channels i and headDim / 2 + i go together, four pairs at a
 * time: RoPE turns them together, and at 4 bits they share a byte. Scales and minima are of a token, or of channels where there are constants.
 */

/** Least lane. */
@inline function horizontalMin(x: v128): v128 {
  const pair = f32x4.min(x, v128.shuffle<f32>(x, x, 2, 3, 0, 1));
  return f32x4.min(pair, v128.shuffle<f32>(pair, pair, 1, 0, 3, 2));
}

/** A token's minimum and scale as halves at `minimum` and `scale`. */
function settle(x: usize, row: usize, most: v128, scale: usize, minimum: usize): void {
  let low = f32x4.splat(-f32.NEGATIVE_INFINITY), negated = low;
  for (let end = x + row; x < end; x += 16) {
    low = f32x4.min(low, v128.load(x));
    negated = f32x4.min(negated, f32x4.neg(v128.load(x)));
  }
  const half = f32x4ToF16(horizontalMin(low));
  const range = f32x4.max(f32x4.splat(0), f32x4.sub(f32x4.neg(horizontalMin(negated)), f16x4ToF32(half)));
  v128.store_lane<u16>(minimum, half, 0);
  v128.store_lane<u16>(scale, f32x4ToF16(f32x4.div(range, most)), 0);
}

/** A half in memory in every lane, as f32; nothing where there are constants. */
@inline function ofToken(constants: usize, at: usize): v128 {
  return constants ? i32x4.splat(0) : f16x4ToF32(i32x4.splat(load<u16>(at)));
}

/** Four channels' scales or minima: constants i bytes from their start, or the token's own. */
@inline function side4(constants: usize, i: usize, own: v128): v128 { return constants ? v128.load(constants + i) : own; }

/** Codes of four channels in i32 lanes; `most` in f32 lanes. */
@inline function codes4(x: usize, scale: v128, minimum: v128, most: v128): v128 {
  const inverse = v128.and(f32x4.div(f32x4.splat(1), scale), f32x4.gt(scale, f32x4.splat(0)));
  const code = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(f32x4.sub(v128.load(x), minimum), inverse)));
  return i32x4.max_s(i32x4.min_s(code, i32x4.trunc_sat_f32x4_s(most)), i32x4.splat(0));
}

/** Stores the low byte of each lane, all of 0 to 255. */
@inline function storeBytes(to: usize, codes: v128): void {
  const words = i16x8.narrow_i32x4_s(codes, codes);
  v128.store_lane<u32>(to, i8x16.narrow_i16x8_u(words, words), 0);
}

/** One token of one head; `minima`: bytes from a constant scale to its minimum. */
function append(x: usize, to: usize, headDim: usize, bits: i32, constants: usize, minima: usize, scaleAt: usize): void {
  const half = headDim << 1, most = f32x4.splat(<f32>((1 << bits) - 1));
  if (!constants) settle(x, half << 1, most, scaleAt, scaleAt + 2 * PAGE);
  const scale = ofToken(constants, scaleAt), minimum = ofToken(constants, scaleAt + 2 * PAGE);
  for (let i: usize = 0, at = to; i < half; i += 16, at += 4) {
    const first = codes4(x + i, side4(constants, i, scale), side4(constants, minima + i, minimum), most), j = half + i;
    const second = codes4(x + j, side4(constants, j, scale), side4(constants, minima + j, minimum), most);
    if (bits == 4) storeBytes(at, v128.or(first, i32x4.shl(second, 4)));
    else {
      storeBytes(at, first);
      storeBytes(at + (headDim >> 1), second);
    }
  }
}

/** Bytes of a matrix of codes of a head, and of its scales and minima. */
@inline function codesBytes(headDim: i32, bits: i32): usize { return <usize>(headDim * bits) * (PAGE / 8); }
@inline function sidesBytes(constants: usize): usize { return constants ? 0 : 8 * PAGE; }

export function kv_append_ug_simd128(
  k: usize, v: usize, stride: i32, tokens: i32, kvHeads: i32, headDim: i32, page: usize, slot: i32, bits: i32, constants: usize, channels: i32,
): void {
  const row = <usize>headDim << 2, codeRow = <usize>(headDim * bits) >> 3, matrix = codesBytes(headDim, bits), minima = <usize>channels << 2;
  for (let head = 0; head < kvHeads; head++, k += row, v += row, page += 2 * matrix + sidesBytes(constants)) {
    for (let t = 0; t < tokens; t++) {
      const from = <usize>(t * stride) << 2, token = <usize>(slot + t), to = page + token * codeRow, scales = page + 2 * matrix + 2 * token;
      append(k + from, to, headDim, bits, constants, minima, scales);
      append(v + from, to + matrix, headDim, bits, constants ? constants + 2 * minima : 0, minima, scales + 4 * PAGE);
    }
    if (constants) constants += row;
  }
}

/** Four channels of the first half of a head, i bytes of f32 from its start. */
@inline function first4(codes: usize, bits: i32, i: usize, scale: v128, minimum: v128): v128 {
  const bytes = widenU8x4(codes + (i >> 2));
  return value4(bits == 4 ? v128.and(bytes, i32x4.splat(15)) : bytes, scale, minimum);
}

/** Their partners, j bytes from its start. */
@inline function second4(codes: usize, bits: i32, i: usize, j: usize, scale: v128, minimum: v128): v128 {
  return value4(bits == 4 ? i32x4.shr_u(widenU8x4(codes + (i >> 2)), 4) : widenU8x4(codes + (j >> 2)), scale, minimum);
}

@inline function value4(codes: v128, scale: v128, minimum: v128): v128 { return f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(codes), scale), minimum); }

/** A token's row of f32 at `to`, turned by the table's row where there is one. */
function expand(codes: usize, headDim: usize, bits: i32, constants: usize, minima: usize, scaleAt: usize, table: usize, to: usize): void {
  const half = headDim << 1, scale = ofToken(constants, scaleAt), minimum = ofToken(constants, scaleAt + 2 * PAGE);
  for (let i: usize = 0; i < half; i += 16) {
    const j = half + i;
    const a = first4(codes, bits, i, side4(constants, i, scale), side4(constants, minima + i, minimum));
    const b = second4(codes, bits, i, j, side4(constants, j, scale), side4(constants, minima + j, minimum));
    if (!table) {
      v128.store(to + i, a);
      v128.store(to + j, b);
      continue;
    }
    const cos = v128.load(table + i), sin = v128.load(table + j);
    v128.store(to + i, f32x4.sub(f32x4.mul(a, cos), f32x4.mul(b, sin)));
    v128.store(to + j, f32x4.add(f32x4.mul(b, cos), f32x4.mul(a, sin)));
  }
}

/** Rows of `row` bytes, one of each token, to columns. */
function transpose(rows: usize, row: usize, tokens: i32, to: usize): void {
  for (; tokens >= 4; tokens -= 4, rows += 4 * row, to += 16) {
    for (let c: usize = 0, at = to; c < row; c += 16, at += 16 * PAGE) {
      const from = rows + c, w = v128.load(from), x = v128.load(from + row), y = v128.load(from + 2 * row), z = v128.load(from + 3 * row);
      const first = v128.shuffle<f32>(w, x, 0, 4, 1, 5), second = v128.shuffle<f32>(y, z, 0, 4, 1, 5);
      v128.store(at, v128.shuffle<f32>(first, second, 0, 1, 4, 5));
      v128.store(at, v128.shuffle<f32>(first, second, 2, 3, 6, 7), 4 * PAGE);
      const third = v128.shuffle<f32>(w, x, 2, 6, 3, 7), fourth = v128.shuffle<f32>(y, z, 2, 6, 3, 7);
      v128.store(at, v128.shuffle<f32>(third, fourth, 0, 1, 4, 5), 8 * PAGE);
      v128.store(at, v128.shuffle<f32>(third, fourth, 2, 3, 6, 7), 12 * PAGE);
    }
  }
  for (; tokens > 0; tokens--, rows += row, to += 4) {
    for (let c: usize = 0; c < row; c += 4) store<f32>(to + c * PAGE, load<f32>(rows + c));
  }
}

/** Keys are expanded where the values will lie, and go from there to their columns. */
export function kv_expand_ug_f32_simd128(
  head: usize, tokens: i32, headDim: i32, bits: i32, constants: usize, channels: i32, table: usize, page: usize,
): void {
  const row = <usize>headDim << 2, codeRow = <usize>(headDim * bits) >> 3, matrix = codesBytes(headDim, bits), minima = <usize>channels << 2;
  const rows = page + row * PAGE, end = rows + <usize>tokens * row, valueConstants = constants ? constants + 2 * minima : 0;
  for (let to = rows, codes = head, scales = head + 2 * matrix; to < end; to += row, codes += codeRow, scales += 2) {
    expand(codes, headDim, bits, constants, minima, scales, table, to);
    if (table) table += row;
  }
  transpose(rows, row, tokens, page);
  for (let to = rows, codes = head + matrix, scales = head + 2 * matrix + 4 * PAGE; to < end; to += row, codes += codeRow, scales += 2) {
    expand(codes, headDim, bits, valueConstants, minima, scales, 0, to);
  }
}
