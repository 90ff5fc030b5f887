// Every kernel on plain 128-bit SIMD.
export * from './index.common';
export * from './kernels/attention_f32_u4_f32';
export * from './kernels/gemm_ig_ug_f32';
export * from './kernels/dot_rate_i8_u4_i32';
