import { HEADER_INT_ZERO, HEADER_MIN, HEADER_TWO_LEVEL } from '../../src/formats/descriptor';
import { loadF16x4 } from './f16';
import { widenU8x4 } from './widen';

/** Bytes of a block header. */
@inline export function headerBytes(flags: i32): usize {
  const level: usize = flags & HEADER_TWO_LEVEL ? 16 : 32;
  return level + (flags & HEADER_INT_ZERO ? 16 : 0) + (flags & HEADER_MIN ? level : 0);
}

@inline function store4(at: usize, a: v128, b: v128, c: v128, d: v128): void {
  v128.store(at, a); v128.store(at, b, 16); v128.store(at, c, 32); v128.store(at, d, 48);
}

/**
 * Two-level: the integer factors of 16 rows (u8 at `block`), times 2^SHIFT, in the form that `fold<P>` takes (lib/dot.ts): on the i16 path in both halves
 * of each i32 lane.
 */
@inline export function factors<P>(block: usize, shift: i32, to: usize): void {
  const codes = v128.load(block);
  const low = i16x8.shl(i16x8.extend_low_i8x16_u(codes), shift), high = i16x8.shl(i16x8.extend_high_i8x16_u(codes), shift);
  if (sizeof<P>() == 2) {
    store4(
      to, v128.shuffle<i16>(low, low, 0, 8, 1, 9, 2, 10, 3, 11), v128.shuffle<i16>(low, low, 4, 12, 5, 13, 6, 14, 7, 15),
      v128.shuffle<i16>(high, high, 0, 8, 1, 9, 2, 10, 3, 11), v128.shuffle<i16>(high, high, 4, 12, 5, 13, 6, 14, 7, 15),
    );
  } else {
    store4(
      to, i32x4.extend_low_i16x8_u(low), i32x4.extend_high_i16x8_u(low), i32x4.extend_low_i16x8_u(high), i32x4.extend_high_i16x8_u(high),
    );
  }
}

/** Bytes of two blocks, 16 rows each, side by side as halves of i32 lanes: sign-extended, or times -half (where `half` is not 0) from unsigned. */
@inline export function offsetPairs(first: v128, second: v128, half: i32, to: usize): void {
  const low = v128.shuffle<u8>(first, second, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const high = v128.shuffle<u8>(first, second, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  if (half) {
    const by = i16x8.splat(<i16>-half);
    store4(
      to, i16x8.mul(i16x8.extend_low_i8x16_u(low), by), i16x8.mul(i16x8.extend_high_i8x16_u(low), by),
      i16x8.mul(i16x8.extend_low_i8x16_u(high), by), i16x8.mul(i16x8.extend_high_i8x16_u(high), by),
    );
  } else {
    store4(to, i16x8.extend_low_i8x16_s(low), i16x8.extend_high_i8x16_s(low), i16x8.extend_low_i8x16_s(high), i16x8.extend_high_i8x16_s(high));
  }
}

/** Two-level with zero points: the integer offsets -z * scale code of 16 rows, i32. */
@inline export function zeroOffsets(block: usize, to: usize): void {
  for (let lane: usize = 0; lane < 16; lane += 4) {
    v128.store(to + 4 * lane, i32x4.neg(i32x4.mul(widenU8x4(block + lane), widenU8x4(block + 16 + lane))));
  }
}

/** f16 scales: 16 scales s and 16 offsets m (the minimum, -(s * z) or -(s * 2^(bits - 1))), f32. */
@inline export function realHeader(block: usize, flags: i32, bits: i32, scales: usize, offsets: usize): void {
  const half = f32x4.splat(<f32>(1 << (bits - 1)));
  for (let lane: usize = 0; lane < 16; lane += 4) {
    const s = loadF16x4(block + 2 * lane);
    v128.store(scales + 4 * lane, s);
    if (flags & HEADER_MIN) v128.store(offsets + 4 * lane, loadF16x4(block + 32 + 2 * lane));
    else v128.store(offsets + 4 * lane, f32x4.neg(f32x4.mul(s, flags & HEADER_INT_ZERO ? f32x4.convert_i32x4_s(widenU8x4(block + 32 + lane)) : half)));
  }
}
