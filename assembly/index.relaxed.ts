// Every kernel, those that relaxed SIMD makes faster in its forms.
export * from './index.common';
export * from './kernels/attention_f32_u4_f32_relaxed';
export * from './kernels/gemm_ig_ug_f32_relaxed';
export * from './kernels/dot_rate_i8_u4_i32_relaxed';
