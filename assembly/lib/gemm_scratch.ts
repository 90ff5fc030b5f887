import { GEMM_CHUNK } from '../../src/formats/descriptor';

/*
 * Scratch of the integer GEMM, one per thread (its size: `gemmScratchBytes` in src/backends/backend.ts). Rows of a panel are the lanes of 64 bytes.
 */
/**
 * 0x0f in every byte (plain path: every i16; u6: 0x3f in every byte), 0x03 in every byte, 4095 and 2047 in every i32, 0x0c and 0x30 in every byte, 1 in
 * every i16.
 */
export const MASKS: usize = 0;
/** A `Walk`. */
export const WALK: usize = 112;
/** 1 in every byte. */
export const ONES: usize = 160;
/** i32 sums of a tile of 16 rows by at most 4 tokens, and zeros for 2 tokens. */
export const DOTS: usize = 192;
export const NO_DOTS: usize = DOTS + 256;
/** f32 tiles [64 tokens][16 rows]: scaled dots of a segment, scaled offsets of a segment, segments so far. */
export const TILE_A: usize = NO_DOTS + 128;
export const TILE_O: usize = TILE_A + 4096;
export const TILE_Y: usize = TILE_O + 4096;
/** Unpacked parts of GEMM_CHUNK channels: 2 bytes per code on the plain path, 2 planes for u8. */
export const PARTS: usize = TILE_Y + 4096;
/** A segment's integer factors of each plane and sub-block, offsets of each block, and real scales of each block: 64 bytes each. */
export const FACTORS: usize = PARTS + 64 * <usize>GEMM_CHUNK;
