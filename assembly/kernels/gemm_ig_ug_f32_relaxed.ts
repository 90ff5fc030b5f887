import { gemm } from './gemm';

/** i16 sums: one instruction where the engine maps the dot to pmaddubsw. */
export function gemm_ig_ug_f32_relaxed_i16(
  segments: usize, count: i32, codes: usize, codesStride: i32, scales: usize, sums: usize, blocksStride: i32,
  out: usize, outStride: i32, tokens: i32, firstPanel: i32, lastPanel: i32, residual: i32, scratch: usize,
): void {
  gemm<i16>(segments, count, codes, codesStride, scales, sums, blocksStride, out, outStride, tokens, firstPanel, lastPanel, residual, scratch);
}

/** i32 sums: one instruction where the engine has vpdpbusd or sdot. */
export function gemm_ig_ug_f32_relaxed_i32(
  segments: usize, count: i32, codes: usize, codesStride: i32, scales: usize, sums: usize, blocksStride: i32,
  out: usize, outStride: i32, tokens: i32, firstPanel: i32, lastPanel: i32, residual: i32, scratch: usize,
): void {
  gemm<i32>(segments, count, codes, codesStride, scales, sums, blocksStride, out, outStride, tokens, firstPanel, lastPanel, residual, scratch);
}
