import {
  SEGMENT_BYTES, SEG_DATA, SEG_HEADER, SEG_LENGTH, SEG_PANEL_BYTES, SEG_WEIGHT_BITS, SEG_WEIGHT_BLOCK,
} from '../../src/formats/descriptor';
import { headerBytes } from '../lib/header';

/* u6 from the container's layout to that of linear memory (both: src/formats/layout.ts), in place. */

/** One quad of 16 channels: three vectors. */
@inline function repackQuad(at: usize, nibble: v128, top: v128, tail: v128): void {
  const low = v128.load(at), high = v128.load(at, 16), t = v128.load(at, 32);
  const a = v128.or(v128.and(low, nibble), v128.and(i16x8.shl(t, 4), top)), b = v128.or(v128.and(i16x8.shr_u(low, 4), nibble), v128.and(i16x8.shl(t, 2), top));
  const c = v128.or(v128.and(high, nibble), v128.and(t, top)), d = v128.or(v128.and(i16x8.shr_u(high, 4), nibble), v128.and(i16x8.shr_u(t, 2), top));
  v128.store(at, v128.or(a, v128.and(i16x8.shl(d, 6), tail)));
  v128.store(at, v128.or(b, v128.and(i16x8.shl(d, 4), tail)), 16);
  v128.store(at, v128.or(c, v128.and(i16x8.shl(d, 2), tail)), 32);
}

export function repack_u6_u6_simd128(segments: usize, count: i32, firstPanel: i32, lastPanel: i32): void {
  const nibble = i8x16.splat(0x0f), top = i8x16.splat(0x30), tail = i8x16.splat(<i8>0xc0);
  for (let s = segments, last = segments + <usize>(count * SEGMENT_BYTES); s < last; s += SEGMENT_BYTES) {
    if (load<i32>(s, SEG_WEIGHT_BITS) != 6) continue;
    const length = load<i32>(s, SEG_LENGTH), block = load<i32>(s, SEG_WEIGHT_BLOCK), header = headerBytes(load<i32>(s, SEG_HEADER));
    const panelBytes = <usize>load<u32>(s, SEG_PANEL_BYTES);
    for (let panel = firstPanel; panel < lastPanel; panel++) {
      let at = <usize>load<u32>(s, SEG_DATA) + <usize>panel * panelBytes;
      for (let k = 0; k < length; k += block) {
        at += header;
        for (let end = at + 12 * <usize>((min(block, length - k) + 15) & -16); at < end; at += 48) repackQuad(at, nibble, top, tail);
      }
    }
  }
}
