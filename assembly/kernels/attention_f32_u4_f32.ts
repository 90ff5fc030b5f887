import { attention } from './attention_u4';

export function attention_f32_u4_f32_simd128(
  q: usize, qStride: i32, tokens: i32, group: i32, headDim: i32, scale: f32,
  page: usize, pages: i32, pageBytes: i32, keyGroup: i32, valueGroup: i32, out: usize, state: usize, fresh: i32, scratch: usize,
): void {
  attention<u8>(q, qStride, tokens, group, headDim, scale, page, pages, pageBytes, keyGroup, valueGroup, out, state, fresh, scratch);
}
