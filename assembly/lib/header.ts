import { HEADER_INT_ZERO, HEADER_MIN, HEADER_TWO_LEVEL } from '../../src/formats/descriptor';
import { loadF16x4 } from './f16';
import { widenI8x4, widenU8x4 } from './widen';

/** Bytes of a block header. */
@inline export function headerBytes(flags: i32): usize {
  const level: usize = flags & HEADER_TWO_LEVEL ? 16 : 32;
  return level + (flags & HEADER_INT_ZERO ? 16 : 0) + (flags & HEADER_MIN ? level : 0);
}

/** Expands a block header to 16 f32 scales at `to` and 16 f32 offsets at `to + 64`: weight = s * q + m. `rows`: the panel's (scale, min) pairs. */
export function expandHeader(block: usize, flags: i32, bits: i32, rows: usize, to: usize): void {
  const half = f32x4.splat(<f32>(1 << (bits - 1)));
  const twoLevel = (flags & HEADER_TWO_LEVEL) != 0;
  const zeros = block + (twoLevel ? 16 : 32);
  for (let quad: usize = 0; quad < 4; quad++) {
    let s: v128, m: v128;
    if (twoLevel) {
      const pairs = v128.load(rows + (quad << 4));
      s = f32x4.mul(i32x4.shl(pairs, 16), f32x4.convert_i32x4_s(widenU8x4(block + (quad << 2))));
      if (flags & HEADER_MIN) {
        m = f32x4.mul(v128.and(pairs, i32x4.splat(0xffff0000)), f32x4.convert_i32x4_s(widenI8x4(zeros + (quad << 2))));
      } else {
        m = f32x4.splat(0);
      }
    } else {
      s = loadF16x4(block + (quad << 3));
      m = flags & HEADER_MIN ? loadF16x4(zeros + (quad << 3)) : f32x4.splat(0);
    }
    if (flags & HEADER_INT_ZERO) {
      m = f32x4.neg(f32x4.mul(s, f32x4.convert_i32x4_s(widenU8x4(zeros + (quad << 2)))));
    } else if (!(flags & HEADER_MIN)) {
      m = f32x4.neg(f32x4.mul(s, half));
    }
    v128.store(to + (quad << 4), s);
    v128.store(to + (quad << 4), m, 64);
  }
}
