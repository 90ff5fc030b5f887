import {
  HEADER_INT_ZERO, HEADER_MIN, HEADER_ROW, HEADER_TWO_LEVEL, SEGMENT_BYTES, SEG_DATA, SEG_FROM, SEG_HEADER, SEG_LENGTH, SEG_OUTLIERS, SEG_PANEL_BYTES,
  SEG_ROW_SCALES, SEG_WEIGHT_BITS, SEG_WEIGHT_BLOCK,
} from '../../src/formats/descriptor';
import { loadF16x4 } from '../lib/f16';
import { headerBytes } from '../lib/header';
import { widenI8x4, widenU8x4 } from '../lib/widen';

/*
 * out[t][row] += x[t][k] * (s * q + m), one channel after another, where |x[t][k]| is at least the segment's threshold (src/backends/reference/outliers.ts).
 * A channel is a column of the panels: 4 rows are the lanes of a vector, and their codes lie in one vector each, or two or three, at the same shift.
 */

/** s of 4 rows, from `lane` on, of the block at `block`; `pairs`: the rows' bf16 pairs, where scales have them. */
@inline function scales4(block: usize, flags: i32, lane: usize, pairs: usize): v128 {
  if (!(flags & HEADER_TWO_LEVEL)) return loadF16x4(block + 2 * lane);
  const step = i32x4.shl(v128.load(pairs + 4 * lane), 16);
  return flags & HEADER_ROW ? step : f32x4.mul(step, f32x4.convert_i32x4_s(widenU8x4(block + lane)));
}

/** m of the same rows. */
@inline function offsets4(block: usize, flags: i32, bits: i32, lane: usize, pairs: usize, s: v128): v128 {
  const zeros = block + (flags & HEADER_TWO_LEVEL ? 16 : 32);
  if (flags & HEADER_INT_ZERO) return f32x4.neg(f32x4.mul(s, f32x4.convert_i32x4_s(widenU8x4(zeros + lane))));
  if (!(flags & HEADER_MIN)) return f32x4.neg(f32x4.mul(s, f32x4.splat(<f32>(1 << (bits - 1)))));
  if (!(flags & HEADER_TWO_LEVEL)) return loadF16x4(zeros + 2 * lane);
  const step = v128.and(v128.load(pairs + 4 * lane), i32x4.splat(0xffff0000));
  return flags & HEADER_ROW ? step : f32x4.mul(step, f32x4.convert_i32x4_s(widenI8x4(zeros + lane)));
}

/** Codes of channel k of a block for a quad of rows, i32 (src/formats/layout.ts; u6 repacked). */
@inline function codes4(codes: usize, bits: i32, quad: usize, k: usize): v128 {
  const byte = <i32>(k & 3) << 3, shift = byte + <i32>(k & 4);
  if (bits == 4) return v128.and(i32x4.shr_u(v128.load(codes + (k >> 3) * 64 + quad * 16), shift), i32x4.splat(15));
  if (bits == 8) {
    const at = codes + (k >> 3) * 128 + quad * 32, nibble = i32x4.splat(15);
    return v128.or(v128.and(i32x4.shr_u(v128.load(at), shift), nibble), i32x4.shl(v128.and(i32x4.shr_u(v128.load(at, 16), shift), nibble), 4));
  }
  const at = codes + (k >> 4) * 192 + quad * 48, i = (k >> 2) & 3;
  if (i < 3) return v128.and(i32x4.shr_u(v128.load(at + 16 * i), byte), i32x4.splat(63));
  const top = byte + 6, two = i32x4.splat(3);
  const a = v128.and(i32x4.shr_u(v128.load(at), top), two), b = v128.and(i32x4.shr_u(v128.load(at, 16), top), two);
  return v128.or(v128.or(a, i32x4.shl(b, 2)), i32x4.shl(v128.and(i32x4.shr_u(v128.load(at, 32), top), two), 4));
}

/** Adds x times column k of a segment. */
function addColumn(s: usize, k: i32, x: f32, out: usize, firstPanel: i32, lastPanel: i32): void {
  const bits = load<i32>(s, SEG_WEIGHT_BITS), flags = load<i32>(s, SEG_HEADER), panelBytes = <usize>load<u32>(s, SEG_PANEL_BYTES);
  const block = load<i32>(s, SEG_WEIGHT_BLOCK), header = headerBytes(flags), inBlock = <usize>(k % block), value = f32x4.splat(x);
  let at = <usize>load<u32>(s, SEG_DATA) + <usize>firstPanel * panelBytes + <usize>(k / block) * (header + <usize>(block * bits * 2));
  let pairs = <usize>load<u32>(s, SEG_ROW_SCALES) + (<usize>firstPanel << 6);
  out += <usize>firstPanel << 6;
  for (let panel = firstPanel; panel < lastPanel; panel++, at += panelBytes, pairs += 64) {
    for (let quad: usize = 0; quad < 4; quad++, out += 16) {
      const scale = scales4(at, flags, quad << 2, pairs), code = f32x4.convert_i32x4_s(codes4(at + header, bits, quad, inBlock));
      const weight = f32x4.add(f32x4.mul(scale, code), offsets4(at, flags, bits, quad << 2, pairs, scale));
      v128.store(out, f32x4.add(v128.load(out), f32x4.mul(value, weight)));
    }
  }
}

/** Rows of x are zero, or anything below the threshold, up to a multiple of 16 channels. */
export function outliers_f32_ug_f32_simd128(
  segments: usize, count: i32, x: usize, xStride: i32, out: usize, outStride: i32, tokens: i32, firstPanel: i32, lastPanel: i32,
): void {
  for (let s = segments, last = segments + <usize>(count * SEGMENT_BYTES); s < last; s += SEGMENT_BYTES) {
    const limit = load<f32>(s, SEG_OUTLIERS), threshold = f32x4.splat(limit), length = load<i32>(s, SEG_LENGTH);
    if (!(limit > 0)) continue;
    let row = x + (<usize>load<u32>(s, SEG_FROM) << 2), to = out;
    for (let t = 0; t < tokens; t++, row += <usize>xStride << 2, to += <usize>outStride << 2) {
      for (let k = 0; k < length; k += 16) {
        const at = row + (<usize>k << 2);
        const a = f32x4.ge(f32x4.abs(v128.load(at)), threshold), b = f32x4.ge(f32x4.abs(v128.load(at, 16)), threshold);
        const c = f32x4.ge(f32x4.abs(v128.load(at, 32)), threshold), d = f32x4.ge(f32x4.abs(v128.load(at, 48)), threshold);
        const found = i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d));
        for (let mask = i8x16.bitmask(found); mask; mask &= mask - 1) {
          const i = ctz(mask);
          addColumn(s, k + i, load<f32>(at + (<usize>i << 2)), to, firstPanel, lastPanel);
        }
      }
    }
  }
}
