// What every path shares: kernels whose plain form no relaxed instruction makes faster.
export * from './kernels/attention_f32';
export * from './kernels/attention_i8';
export * from './kernels/attention_merge';
export * from './kernels/embed';
export * from './kernels/gemm_f32_f32_f32';
export * from './kernels/gemm_f32_ug_f32';
export * from './kernels/gram';
export * from './kernels/hadamard';
export * from './kernels/kv_append';
export * from './kernels/kv_close';
export * from './kernels/kv_codes';
export * from './kernels/outliers_f32_ug_f32';
export * from './kernels/producers';
export * from './kernels/repack_u6_u6';
export * from './kernels/rope';
export * from './kernels/sparse';
