import { attention } from './attention_u4';

/** i16 sums: one instruction where the engine maps the dot to pmaddubsw. */
export function attention_f32_u4_f32_relaxed_i16(
  q: usize, qStride: i32, tokens: i32, group: i32, headDim: i32, scale: f32,
  page: usize, pages: i32, pageBytes: i32, keyGroup: i32, valueGroup: i32, out: usize, state: usize, fresh: i32, scratch: usize,
): void {
  attention<i16>(q, qStride, tokens, group, headDim, scale, page, pages, pageBytes, keyGroup, valueGroup, out, state, fresh, scratch);
}

/** i32 sums: one instruction where the engine has vpdpbusd or sdot. */
export function attention_f32_u4_f32_relaxed_i32(
  q: usize, qStride: i32, tokens: i32, group: i32, headDim: i32, scale: f32,
  page: usize, pages: i32, pageBytes: i32, keyGroup: i32, valueGroup: i32, out: usize, state: usize, fresh: i32, scratch: usize,
): void {
  attention<i32>(q, qStride, tokens, group, headDim, scale, page, pages, pageBytes, keyGroup, valueGroup, out, state, fresh, scratch);
}
