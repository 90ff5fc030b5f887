/** How the channels of a segment are walked: the same for every panel. One per thread, in the scratch. */
@unmanaged export class Walk {
  /** Channels per fold, at most 128: those share the activations' scale, so that their sums stay integers. */
  foldChannels: i32;
  /** Channels per weight block. */
  block: i32;
  /** Bytes of a block's header in front of its codes; 0 once unpacked. */
  header: usize;
  /** Where the codes of all scales lie if they are not in the headers: 16 bytes of 1 (lib/gemm_scratch.ts); else 0. */
  ones: usize;
  /** Bytes from a packed block to the next one. */
  packedBlock: usize;
  /** Nibble planes: 2 for u8, else 1. */
  planes: i32;
  /** Bytes from a token's scale of a fold to that of the next fold. */
  scaleStep: usize;
  /** Bytes from a fold's real scales to the next one's; 0 where there are none. */
  realStep: usize;
  /** Where the masks lie (lib/gemm_scratch.ts). */
  masks: usize;
}
