// Constants shared by the host and the AssemblyScript kernels: plain numbers only, so that both compilers read this file.

/** Rows of a weight panel; output rows are padded to whole panels. */
export const PANEL = 16;
/** Tokens of a KV page; a forward pass never crosses a page boundary, so this is also the largest token block. */
export const PAGE = 64;
/** Input channels that the GEMM unpacks at a time; a multiple of every block. */
export const GEMM_CHUNK = 768;
/** Input channels that `gemmFloat` expands, and adds in one sum, at a time; a multiple of every block. Their panel stays in the first cache. */
export const FLOAT_CHUNK = 256;

// Segment descriptor: SEGMENT_BYTES bytes of i32 fields, one per segment of a linear, consecutive in linear memory.
/** First channel (permuted order); also its offset in a row of activation codes. A multiple of 16. */
export const SEG_FROM = 0;
/** Channels; the last segment of a linear need not be a multiple of 16. */
export const SEG_LENGTH = 4;
/** Channels per weight scale. */
export const SEG_WEIGHT_BLOCK = 8;
/** Channels per activation scale: a multiple of the weight block, or all of the segment, padded. */
export const SEG_ACT_BLOCK = 12;
/** 3, 4, 6 or 8, and 16 or 32 for weights as numbers. */
export const SEG_WEIGHT_BITS = 16;
/** 4 or 8. */
export const SEG_ACT_BITS = 20;
/** HEADER_* flags. */
export const SEG_HEADER = 24;
/** Address of panel 0. */
export const SEG_DATA = 28;
/** Bytes of one panel. */
export const SEG_PANEL_BYTES = 32;
/** Address of the bf16 pairs (scale, min) of two-level scales, u32 [ceil16(rows)]; 0 where scales are f16. */
export const SEG_ROW_SCALES = 36;
/** Index of the segment's first weight block in a row of activation scales and sums. */
export const SEG_FIRST_BLOCK = 40;
/** f32: factor on the activation's range. */
export const SEG_CLIP = 44;
/** Channels whose products are added as integers, at most 128: a multiple of the weight block. The last one of an activation block may be shorter. */
export const SEG_FOLD = 48;
/** Index, in a row of activation scales, of the centre of the segment's first activation block; 0: symmetric, all centres are 0. */
export const SEG_CENTRES = 52;
/** Address of the static pairs (scale, centre) of its activation blocks, f32; 0: from each token's values. */
export const SEG_STATIC = 56;
/** f32: values of at least this magnitude are quantised as if they were 0 and added as f32 (`outliers`); 0: none. */
export const SEG_OUTLIERS = 60;
export const SEGMENT_BYTES = 64;

/** Scales are u8 codes times a bf16 per row, otherwise f16. */
export const HEADER_TWO_LEVEL = 1;
/** A u8 zero point per row and block. */
export const HEADER_INT_ZERO = 2;
/** A real minimum per row and block: f16, or i8 codes times a bf16 per row with two-level scales. */
export const HEADER_MIN = 4;
/** With HEADER_TWO_LEVEL: a bf16 scale (and minimum, with HEADER_MIN) per row and nothing per block: all codes of scales and minima are 1. */
export const HEADER_ROW = 8;
/** Scales and zeros of 3 bits on grids of 16 rows. */
export const HEADER_SHARED = 16;

/** Weight block of the kernels where a format has one scale per row. */
export const ROW_BLOCK = 64;
