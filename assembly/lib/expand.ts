import { HEADER_INT_ZERO, HEADER_MIN, HEADER_ROW, HEADER_SHARED, HEADER_TWO_LEVEL } from '../../src/formats/descriptor';
import { f16ToF32, halvesToF32, REBIAS, SIGN_AND_MAGNITUDE } from './f16';
import { headerBytes, realHeader } from './header';
import { N0, N12, N4, N8 } from './literal';
import { sixes } from './parts';
import { widenI8x4, widenU8x4 } from './widen';

/*
 * A panel's codes as f32 [K][16]: s * q + m, each operation rounded (src/backends/reference/segment.ts, layouts in src/formats/layout.ts). Codes lie in
 * vectors of 4 rows by 4 channels: shifted by 8 bits, an i32 lane starts with the next channel of its row. Masks are sums with `zero`, which is 0 but which
 * only run time knows: engines keep such a vector, and build a constant anew at each use, which took half of the time of f16.
 */

/** Four channels of 4 rows: byte 4r + j of `codes` = code of row r, channel j. */
@inline function put4(codes: v128, s: v128, m: v128, byte: v128, to: usize): void {
  v128.store(to, f32x4.add(f32x4.mul(s, f32x4.convert_i32x4_s(v128.and(codes, byte))), m));
  v128.store(to, f32x4.add(f32x4.mul(s, f32x4.convert_i32x4_s(v128.and(i32x4.shr_u(codes, 8), byte))), m), 64);
  v128.store(to, f32x4.add(f32x4.mul(s, f32x4.convert_i32x4_s(v128.and(i32x4.shr_u(codes, 16), byte))), m), 128);
  v128.store(to, f32x4.add(f32x4.mul(s, f32x4.convert_i32x4_s(i32x4.shr_u(codes, 24))), m), 192);
}

/** One quad of a run of channels up to `end`, a multiple of 16 from `to` on; 1024 bytes of f32 are 16 channels. */
function quad4(w: usize, quad: usize, s: v128, m: v128, to: usize, end: usize, zero: i32): void {
  const byte = i32x4.splat(0xff + zero), low = i32x4.splat(0x0f0f0f0f + zero);
  for (w += 16 * quad; to < end; to += 512, w += 64) {
    const v = v128.load(w);
    put4(v128.and(v, low), s, m, byte, to);
    put4(v128.and(i16x8.shr_u(v, 4), low), s, m, byte, to + 256);
  }
}

function quad8(w: usize, quad: usize, s: v128, m: v128, to: usize, end: usize, zero: i32): void {
  const byte = i32x4.splat(0xff + zero), low = i32x4.splat(0x0f0f0f0f + zero), high = i32x4.splat(0xf0f0f0f0 + zero);
  for (w += 32 * quad; to < end; to += 512, w += 128) {
    const a = v128.load(w), b = v128.load(w, 16);
    put4(v128.or(v128.and(a, low), v128.and(i16x8.shl(b, 4), high)), s, m, byte, to);
    put4(v128.or(v128.and(i16x8.shr_u(a, 4), low), v128.and(b, high)), s, m, byte, to + 256);
  }
}

function quad6(w: usize, quad: usize, s: v128, m: v128, to: usize, end: usize, zero: i32): void {
  const byte = i32x4.splat(0xff + zero), whole = i32x4.splat(0x3f3f3f3f + zero), pair = i32x4.splat(0x03030303 + zero);
  for (w += 48 * quad; to < end; to += 1024, w += 192) {
    put4(sixes<N0, N0>(w, whole, pair), s, m, byte, to);
    put4(sixes<N0, N4>(w, whole, pair), s, m, byte, to + 256);
    put4(sixes<N0, N8>(w, whole, pair), s, m, byte, to + 512);
    put4(sixes<N0, N12>(w, whole, pair), s, m, byte, to + 768);
  }
}

function quad3(w: usize, quad: usize, s: v128, m: v128, to: usize, end: usize, zero: i32): void {
  const byte = i32x4.splat(0xff + zero), pair = i32x4.splat(0x03030303 + zero), four = i32x4.splat(0x04040404 + zero), shift = 4 * (<i32>quad & 1);
  for (let t = w + 64 + 16 * (quad >> 1), l = w + 16 * quad; to < end; to += 1024, l += 96, t += 96) {
    const low = v128.load(l), top = i16x8.shr_u(v128.load(t), shift);
    put4(v128.or(v128.and(low, pair), v128.and(i16x8.shl(top, 2), four)), s, m, byte, to);
    put4(v128.or(v128.and(i16x8.shr_u(low, 2), pair), v128.and(i16x8.shl(top, 1), four)), s, m, byte, to + 256);
    put4(v128.or(v128.and(i16x8.shr_u(low, 4), pair), v128.and(top, four)), s, m, byte, to + 512);
    put4(v128.or(v128.and(i16x8.shr_u(low, 6), pair), v128.and(i16x8.shr_u(top, 1), four)), s, m, byte, to + 768);
  }
}

/** Values of 4 codes of 3 bits on a grid: `codes` holds that of row r at bit 3r. */
@inline function onGrid(codes: u32, step: f32, minimum: f32): v128 {
  const apart = i32x4.shr_u(i32x4.mul(i32x4.splat(codes), i32x4(512, 64, 8, 1)), 9);
  return f32x4.add(f32x4.mul(f32x4.splat(step), f32x4.convert_i32x4_s(v128.and(apart, i32x4.splat(7)))), f32x4.splat(minimum));
}

function sharedGrid(at: usize, to: usize): void {
  const step = f16ToF32(load<u16>(at)), minimum = f16ToF32(load<u16>(at, 2)), zeroStep = f16ToF32(load<u16>(at, 4)), zeroMinimum = f16ToF32(load<u16>(at, 6));
  let scales = load<u64>(at, 8), zeros = load<u64>(at, 12) >> 16; // of the bytes read, 6 each
  for (let quad: usize = 0; quad < 64; quad += 16, scales >>= 12, zeros >>= 12) {
    const s = onGrid(<u32>scales & 0xfff, step, minimum);
    v128.store(to + quad, s);
    v128.store(to + quad, f32x4.neg(f32x4.mul(s, onGrid(<u32>zeros & 0xfff, zeroStep, zeroMinimum))), 64);
  }
}

/** Scales of a row, or of two levels. `rows`: the bf16 pairs of the panel's rows. */
function rowGrid(at: usize, flags: i32, bits: i32, rows: usize, to: usize): void {
  const half = f32x4.splat(<f32>(1 << (bits - 1)));
  for (let lane: usize = 0; lane < 16; lane += 4) {
    const pairs = v128.load(rows + 4 * lane);
    let s = i32x4.shl(pairs, 16), m = v128.and(pairs, i32x4.splat(0xffff0000));
    if (!(flags & HEADER_ROW)) {
      s = f32x4.mul(s, f32x4.convert_i32x4_s(widenU8x4(at + lane)));
      if (flags & HEADER_MIN) m = f32x4.mul(m, f32x4.convert_i32x4_s(widenI8x4(at + 16 + lane)));
    }
    if (!(flags & HEADER_MIN)) m = f32x4.neg(f32x4.mul(s, flags & HEADER_INT_ZERO ? f32x4.convert_i32x4_s(widenU8x4(at + 16 + lane)) : half));
    v128.store(to + 4 * lane, s);
    v128.store(to + 4 * lane, m, 64);
  }
}

/** Expands `channels` channels of codes from block start `w` on to f32 [K][16], in whole steps of 16; returns the end of what it read. `grid`: 128 bytes. */
export function expandCodes(w: usize, channels: i32, block: i32, bits: i32, flags: i32, rows: usize, grid: usize, to: usize): usize {
  const zero = channels >>> 31;
  for (let left = channels; left > 0; left -= block) {
    if (flags & HEADER_SHARED) sharedGrid(w, grid);
    else if (flags & HEADER_TWO_LEVEL) rowGrid(w, flags, bits, rows, grid);
    else realHeader(w, flags, bits, grid, grid + 64);
    w += headerBytes(flags);
    const span = <usize>((min(left, block) + 15) & -16);
    for (let quad: usize = 0; quad < 4; quad++) {
      const s = v128.load(grid + 16 * quad), m = v128.load(grid + 16 * quad, 64), from = to + 16 * quad, end = from + 64 * span;
      if (bits == 4) quad4(w, quad, s, m, from, end, zero);
      else if (bits == 8) quad8(w, quad, s, m, from, end, zero);
      else if (bits == 6) quad6(w, quad, s, m, from, end, zero);
      else quad3(w, quad, s, m, from, end, zero);
    }
    w += 2 * span * <usize>bits;
    to += 64 * span;
  }
  return w;
}

/** The same for weights of 16 bits. */
export function expandHalves(w: usize, channels: i32, to: usize): usize {
  const zero = channels >>> 31, mask = i32x4.splat(SIGN_AND_MAGNITUDE + zero), rebias = f32x4.splat(REBIAS + <f32>zero);
  for (let end = to + (<usize>channels << 6); to < end; to += 64, w += 32) {
    v128.store(to, halvesToF32(w, mask, rebias)); v128.store(to, halvesToF32(w + 8, mask, rebias), 16);
    v128.store(to, halvesToF32(w + 16, mask, rebias), 32); v128.store(to, halvesToF32(w + 24, mask, rebias), 48);
  }
  return w;
}
