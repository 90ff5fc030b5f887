import { gemm } from './gemm';

export function gemm_ig_ug_f32_simd128(
  segments: usize, count: i32, codes: usize, codesStride: i32, scales: usize, sums: usize, blocksStride: i32,
  out: usize, outStride: i32, tokens: i32, firstPanel: i32, lastPanel: i32, residual: i32, scratch: usize,
): void {
  gemm<u8>(segments, count, codes, codesStride, scales, sums, blocksStride, out, outStride, tokens, firstPanel, lastPanel, residual, scratch);
}
