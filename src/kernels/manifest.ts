/** Instruction path of a kernel. A relaxed path uses the plain kernel for every op that has no row of its own. */
export type Isa = 'simd128' | 'relaxed-i16' | 'relaxed-i32';

/** One exported kernel: the only place where it is registered. */
export interface KernelRow {
  /** Export name: `<op>_<act>_<weight>_<out>_<isa>`; `ig`, `ug`: signed and unsigned codes of the width that the segment states, by group. */
  readonly name: string;
  /** Method of `Kernels` that it implements. */
  readonly op: string;
  readonly isa: Isa;
}

export const KERNELS = [
  { name: 'gemm_ig_ug_f32_simd128', op: 'gemm', isa: 'simd128' },
  { name: 'gemm_ig_ug_f32_relaxed_i16', op: 'gemm', isa: 'relaxed-i16' },
  { name: 'gemm_ig_ug_f32_relaxed_i32', op: 'gemm', isa: 'relaxed-i32' },
  { name: 'dot_rate_i8_u4_i32_simd128', op: 'dotRate', isa: 'simd128' },
  { name: 'dot_rate_i8_u4_i32_relaxed_i16', op: 'dotRate', isa: 'relaxed-i16' },
  { name: 'dot_rate_i8_u4_i32_relaxed_i32', op: 'dotRate', isa: 'relaxed-i32' },
  { name: 'gemm_f32_f32_f32_simd128', op: 'gemmF32', isa: 'simd128' },
  { name: 'gemm_f32_ug_f32_simd128', op: 'gemmFloat', isa: 'simd128' },
  { name: 'sparse_f32_f16_f32_simd128', op: 'sparse', isa: 'simd128' },
  { name: 'hadamard_f32_simd128', op: 'hadamard', isa: 'simd128' },
  { name: 'gram_f32_simd128', op: 'gram', isa: 'simd128' },
  { name: 'cross_gram_f32_f32_simd128', op: 'crossGram', isa: 'simd128' },
  { name: 'rmsnorm_permute_quant_f32_ig_simd128', op: 'rmsnormQuant', isa: 'simd128' },
  { name: 'silu_mul_permute_quant_f32_ig_simd128', op: 'siluMulQuant', isa: 'simd128' },
  { name: 'permute_quant_f32_ig_simd128', op: 'gatherQuant', isa: 'simd128' },
  { name: 'outliers_f32_ug_f32_simd128', op: 'outliers', isa: 'simd128' },
  { name: 'repack_u6_u6_simd128', op: 'repackU6', isa: 'simd128' },
  { name: 'embed_ug_f32_simd128', op: 'embed', isa: 'simd128' },
  { name: 'embed_f32_f32_simd128', op: 'embedF32', isa: 'simd128' },
  { name: 'rope_f32_simd128', op: 'rope', isa: 'simd128' },
  { name: 'kv_append_f32_simd128', op: 'kvAppendF32', isa: 'simd128' },
  { name: 'kv_append_i8h_simd128', op: 'kvAppendI8', isa: 'simd128' },
  { name: 'kv_close_i8h_u4_simd128', op: 'kvClose', isa: 'simd128' },
  { name: 'kv_append_ug_simd128', op: 'kvAppendCodes', isa: 'simd128' },
  { name: 'kv_expand_ug_f32_simd128', op: 'kvExpand', isa: 'simd128' },
  { name: 'attention_f32_f32_f32_simd128', op: 'attentionF32', isa: 'simd128' },
  { name: 'attention_f32_i8h_f32_simd128', op: 'attentionI8', isa: 'simd128' },
  { name: 'attention_f32_u4_f32_simd128', op: 'attentionU4', isa: 'simd128' },
  { name: 'attention_f32_u4_f32_relaxed_i16', op: 'attentionU4', isa: 'relaxed-i16' },
  { name: 'attention_f32_u4_f32_relaxed_i32', op: 'attentionU4', isa: 'relaxed-i32' },
  { name: 'attention_merge_f32_simd128', op: 'attentionMerge', isa: 'simd128' },
  { name: 'attention_finish_f32_simd128', op: 'attentionFinish', isa: 'simd128' },
] as const satisfies readonly KernelRow[];

export type KernelOp = (typeof KERNELS)[number]['op'];
