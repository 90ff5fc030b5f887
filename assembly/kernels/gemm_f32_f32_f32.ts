import { multiplyPanel } from '../lib/panel_f32';

/** Panels [K][16], the whole of K in one sum (src/backends/reference/gemm-f32.ts). */
export function gemm_f32_f32_f32_simd128(
  weights: usize, length: i32, x: usize, xStride: i32,
  out: usize, outStride: i32, tokens: i32, firstPanel: i32, lastPanel: i32, residual: i32,
): void {
  const bytes = <usize>length << 2;
  for (let panel = <usize>firstPanel; panel < <usize>lastPanel; panel++) {
    multiplyPanel(weights + panel * (bytes << 4), bytes, x, <usize>xStride << 2, out + (panel << 6), <usize>outStride << 2, tokens, residual);
  }
}
