// Every kernel on plain 128-bit SIMD.
export * from './kernels/gemm_ig_ug_f32';
export * from './kernels/gemm_f32_f32_f32';
export * from './kernels/producers';
