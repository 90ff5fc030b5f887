// Every kernel on plain 128-bit SIMD.
export * from './index.common';
export * from './kernels/gemm_ig_ug_f32';
