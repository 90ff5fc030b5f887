// Every kernel on plain 128-bit SIMD.
export * from './kernels/attention';
export * from './kernels/embed';
export * from './kernels/gemm_f32_f32_f32';
export * from './kernels/gemm_ig_ug_f32';
export * from './kernels/kv_append';
export * from './kernels/kv_close';
export * from './kernels/kv_tile';
export * from './kernels/producers';
export * from './kernels/rope';
