// Every kernel, those that relaxed SIMD makes faster in its forms.
export * from './index.common';
export * from './kernels/gemm_ig_ug_f32_relaxed';
