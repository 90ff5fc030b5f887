import { HEADER_INT_ZERO, HEADER_MIN, HEADER_TWO_LEVEL } from '../../src/formats/descriptor';
import { factorOf } from './dot';
import { loadF16x4 } from './f16';
import { widenI8x4, widenU8x4 } from './widen';

/** Bytes of a block header. */
@inline export function headerBytes(flags: i32): usize {
  const level: usize = flags & HEADER_TWO_LEVEL ? 16 : 32;
  return level + (flags & HEADER_INT_ZERO ? 16 : 0) + (flags & HEADER_MIN ? level : 0);
}

/** Two-level: the integer offsets n of a quad, i32: the minimum's code, -z * scale code, or -2^(bits - 1) * scale code. */
@inline function codeOffset(zeros: usize, flags: i32, half: v128, scale: v128): v128 {
  if (flags & HEADER_MIN) return widenI8x4(zeros);
  return i32x4.neg(i32x4.mul(scale, flags & HEADER_INT_ZERO ? widenU8x4(zeros) : half));
}

/** f16: the offsets m of a quad: the minimum, -(s * z), or -(s * 2^(bits - 1)). `lane` is 4 times the quad. */
@inline function realOffset(zeros: usize, lane: usize, flags: i32, half: v128, scale: v128): v128 {
  if (flags & HEADER_MIN) return loadF16x4(zeros + 2 * lane);
  return f32x4.neg(f32x4.mul(scale, f32x4.convert_i32x4_s(flags & HEADER_INT_ZERO ? widenU8x4(zeros + lane) : half)));
}

/**
 * Expands a block header of 16 rows, 64 bytes each. Two-level: integer factors for `fold<P>` and integer offsets (i32). f16: factors of 1, offsets
 * (f32) and `reals`, the scales (f32).
 */
@inline export function expandHeader<P>(block: usize, flags: i32, bits: i32, factors: usize, offsets: usize, reals: usize): void {
  const half = i32x4.splat(1 << (bits - 1));
  if (flags & HEADER_TWO_LEVEL) {
    for (let lane: usize = 0; lane < 16; lane += 4) {
      const scale = widenU8x4(block + lane);
      v128.store(factors + 4 * lane, factorOf<P>(scale));
      v128.store(offsets + 4 * lane, codeOffset(block + 16 + lane, flags, half, scale));
    }
  } else {
    for (let lane: usize = 0; lane < 16; lane += 4) {
      const scale = loadF16x4(block + 2 * lane);
      v128.store(factors + 4 * lane, factorOf<P>(i32x4.splat(1)));
      v128.store(reals + 4 * lane, scale);
      v128.store(offsets + 4 * lane, realOffset(block + 32, lane, flags, half, scale));
    }
  }
}
