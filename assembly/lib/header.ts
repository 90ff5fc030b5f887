import { HEADER_INT_ZERO, HEADER_MIN, HEADER_ROW, HEADER_SHARED, HEADER_TWO_LEVEL } from '../../src/formats/descriptor';
import { loadF16x4 } from './f16';
import { N0, N4 } from './literal';
import { widenU8x4 } from './widen';

/** Bytes of a block header. */
@inline export function headerBytes(flags: i32): usize {
  if (flags & HEADER_ROW) return 0;
  if (flags & HEADER_SHARED) return 20;
  const level: usize = flags & HEADER_TWO_LEVEL ? 16 : 32;
  return level + (flags & HEADER_INT_ZERO ? 16 : 0) + (flags & HEADER_MIN ? level : 0);
}

/** i16 factors of 8 rows, of which quad Q (N0 or N4) in the form that `fold<P>` takes (lib/dot.ts): on the i16 path in both halves of each i32 lane. */
@inline export function quadFactor<P, Q>(half: v128): v128 {
  if (sizeof<P>() != 2) return offsetof<Q>() ? i32x4.extend_high_i16x8_u(half) : i32x4.extend_low_i16x8_u(half);
  return offsetof<Q>() ? v128.shuffle<i16>(half, half, 4, 12, 5, 13, 6, 14, 7, 15) : v128.shuffle<i16>(half, half, 0, 8, 1, 9, 2, 10, 3, 11);
}

/** Bytes of two blocks side by side, rows 0..7 (N0) or 8..15 (N8). */
@inline export function bytePairs<H>(first: v128, second: v128): v128 {
  return offsetof<H>()
    ? v128.shuffle<u8>(first, second, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
    : v128.shuffle<u8>(first, second, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

/** Byte pairs of quad Q (N0 or N4) as halves of i32 lanes: sign-extended or, where `half` is not 0, unsigned and times -half. */
@inline export function offsetPair<Q>(bytes: v128, half: i32): v128 {
  if (half) return i16x8.mul(offsetof<Q>() ? i16x8.extend_high_i8x16_u(bytes) : i16x8.extend_low_i8x16_u(bytes), i16x8.splat(<i16>-half));
  return offsetof<Q>() ? i16x8.extend_high_i8x16_s(bytes) : i16x8.extend_low_i8x16_s(bytes);
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
