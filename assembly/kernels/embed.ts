import {
  HEADER_INT_ZERO, HEADER_MIN, HEADER_ROW, HEADER_TWO_LEVEL, SEGMENT_BYTES, SEG_DATA, SEG_FROM, SEG_HEADER, SEG_LENGTH, SEG_PANEL_BYTES, SEG_ROW_SCALES,
  SEG_WEIGHT_BITS, SEG_WEIGHT_BLOCK,
} from '../../src/formats/descriptor';
import { f16ToF32 } from '../lib/f16';
import { headerBytes } from '../lib/header';

/*
 * One row of a panel layout, channel by channel: out[k] = s * q + m (src/backends/reference/embed.ts, layout in src/formats/layout.ts).
 * A model reads one row per token, so that nothing here is worth a vector.
 */

@inline function scaleOf(block: usize, header: i32, lane: usize, pair: u32): f32 {
  if (header & HEADER_ROW) return reinterpret<f32>(pair << 16);
  return header & HEADER_TWO_LEVEL ? reinterpret<f32>(pair << 16) * <f32>load<u8>(block + lane) : f16ToF32(load<u16>(block + 2 * lane));
}

@inline function offsetOf(block: usize, header: i32, lane: usize, pair: u32, bits: i32, scale: f32): f32 {
  if ((header & HEADER_ROW) && (header & HEADER_MIN)) return reinterpret<f32>(pair & 0xffff0000);
  const twoLevel = (header & HEADER_TWO_LEVEL) != 0;
  const zeros = block + (twoLevel ? 16 : 32);
  if (header & HEADER_INT_ZERO) return -(scale * <f32>load<u8>(zeros + lane));
  if (header & HEADER_MIN) return twoLevel ? reinterpret<f32>(pair & 0xffff0000) * <f32>load<i8>(zeros + lane) : f16ToF32(load<u16>(zeros + 2 * lane));
  return -(scale * <f32>(1 << (bits - 1)));
}

/** Code of channel k of a block for the row whose first code byte is `row` bytes into a vector of quad `quad`. */
@inline function codeAt(bits: i32, codes: usize, quad: usize, row: usize, k: usize): u32 {
  const lane = row + (k & 3), shift = k & 4;
  if (bits == 6) {
    const vectors = codes + (k >> 4) * 192 + quad * 48 + lane, i = (k >> 2) & 3;
    if (i < 3) return <u32>load<u8>(vectors + 16 * i) & 63;
    return (<u32>load<u8>(vectors) >> 6) | ((<u32>load<u8>(vectors, 16) >> 6) << 2) | ((<u32>load<u8>(vectors, 32) >> 6) << 4);
  }
  const planes: usize = bits == 8 ? 2 : 1;
  const vectors = codes + ((k >> 3) * 64 + quad * 16) * planes + lane;
  const low = (<u32>load<u8>(vectors) >> <u32>shift) & 15;
  return bits == 8 ? low | (((<u32>load<u8>(vectors, 16) >> <u32>shift) & 15) << 4) : low;
}

export function embed_ug_f32_simd128(segments: usize, count: i32, row: i32, out: usize): void {
  const panel = <usize>(row >> 4), lane = <usize>(row & 15);
  for (let s = segments, last = segments + <usize>(count * SEGMENT_BYTES); s < last; s += SEGMENT_BYTES) {
    const length = load<i32>(s, SEG_LENGTH), block = load<i32>(s, SEG_WEIGHT_BLOCK), bits = load<i32>(s, SEG_WEIGHT_BITS), header = load<i32>(s, SEG_HEADER);
    const pair = load<u32>(<usize>load<u32>(s, SEG_ROW_SCALES) + (panel * 16 + lane) * 4);
    let at = <usize>load<u32>(s, SEG_DATA) + panel * <usize>load<u32>(s, SEG_PANEL_BYTES);
    let to = out + (<usize>load<u32>(s, SEG_FROM) << 2);
    for (let from = 0; from < length; from += block) {
      const scale = scaleOf(at, header, lane, pair), offset = offsetOf(at, header, lane, pair, bits, scale);
      const codes = at + headerBytes(header);
      for (let k: usize = 0, end = <usize>min(block, length - from); k < end; k++, to += 4) {
        store<f32>(to, scale * <f32>codeAt(bits, codes, lane >> 2, (lane & 3) << 2, k) + offset);
      }
      at = codes + <usize>(block * bits * 2);
    }
  }
}

export function embed_f32_f32_simd128(weights: usize, length: i32, row: i32, out: usize): void {
  let from = weights + (<usize>(row >> 4) * <usize>length << 6) + (<usize>(row & 15) << 2);
  for (let end = out + (<usize>length << 2); out < end; out += 4, from += 64) store<f32>(out, load<f32>(from));
}
