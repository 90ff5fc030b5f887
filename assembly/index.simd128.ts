// Every kernel on plain 128-bit SIMD.
export * from './kernels/attention_f32';
export * from './kernels/attention_f32_u4_f32';
export * from './kernels/attention_i8';
export * from './kernels/attention_merge';
export * from './kernels/embed';
export * from './kernels/gemm_f32_f32_f32';
export * from './kernels/gemm_ig_ug_f32';
export * from './kernels/kv_append';
export * from './kernels/kv_close';
export * from './kernels/producers';
export * from './kernels/rope';
