import {
  FLOAT_CHUNK, SEG_DATA, SEG_FROM, SEG_HEADER, SEG_LENGTH, SEG_PANEL_BYTES, SEG_ROW_SCALES, SEG_WEIGHT_BITS, SEG_WEIGHT_BLOCK,
} from '../../src/formats/descriptor';
import { expandCodes, expandHalves } from '../lib/expand';
import { multiplyPanel } from '../lib/panel_f32';

/*
 * Weights of any format times f32 (src/backends/reference/gemm-float.ts): FLOAT_CHUNK channels of a panel become f32 [K][16], once for all tokens.
 * Scratch: scales and offsets of 16 rows, 128 bytes; the panel.
 */
export function gemm_f32_ug_f32_simd128(
  segment: usize, x: usize, xStride: i32, out: usize, outStride: i32, tokens: i32, firstPanel: i32, lastPanel: i32, residual: i32, scratch: usize,
): void {
  const length = load<i32>(segment, SEG_LENGTH), block = load<i32>(segment, SEG_WEIGHT_BLOCK), bits = load<i32>(segment, SEG_WEIGHT_BITS);
  const flags = load<i32>(segment, SEG_HEADER), panel = scratch + 128, first = x + (<usize>load<u32>(segment, SEG_FROM) << 2);
  for (let p = <usize>firstPanel; p < <usize>lastPanel; p++) {
    const rows = <usize>load<u32>(segment, SEG_ROW_SCALES) + (p << 6);
    let w = <usize>load<u32>(segment, SEG_DATA) + p * <usize>load<u32>(segment, SEG_PANEL_BYTES), values = first, add = residual;
    for (let left = length; left > 0; left -= FLOAT_CHUNK, add = 1) {
      const channels = min(left, FLOAT_CHUNK), bytes = <usize>channels << 2;
      const from = bits == 32 ? w : panel;
      if (bits == 32) w += bytes << 4;
      else w = bits == 16 ? expandHalves(w, channels, panel) : expandCodes(w, channels, block, bits, flags, rows, scratch, panel);
      multiplyPanel(from, bytes, values, <usize>xStride << 2, out + (p << 6), <usize>outStride << 2, tokens, add);
      values += bytes;
    }
  }
}
