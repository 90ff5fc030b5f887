// What every path shares: kernels whose plain form no relaxed instruction makes faster.
export * from './kernels/attention';
export * from './kernels/embed';
export * from './kernels/gemm_f32_f32_f32';
export * from './kernels/kv_append';
export * from './kernels/kv_close';
export * from './kernels/kv_tile';
export * from './kernels/producers';
export * from './kernels/rope';
