// The plain kernels, and those that relaxed SIMD makes faster.
export * from './index.simd128';
export * from './kernels/attention_f32_u4_f32_relaxed';
export * from './kernels/gemm_ig_ug_f32_relaxed';
