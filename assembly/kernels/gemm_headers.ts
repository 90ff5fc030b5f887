import { HEADER_INT_ZERO, HEADER_MIN, HEADER_TWO_LEVEL } from '../../src/formats/descriptor';
import { factorOf } from '../lib/dot';
import { bytePairs, offsetPair, quadFactor, realHeader, zeroOffsets } from '../lib/header';
import { N0, N4, N8 } from '../lib/literal';
import { Walk } from '../lib/walk';
import { SUB } from './gemm_sub';

/*
 * The headers of a segment's blocks in one panel, expanded for all tokens; 64 bytes for 16 rows:
 *   factors: the integer factor of every sub-block and plane (1 for f16 scales and scales per row, of the high plane of u8 16 times as large)
 *   offsets: two-level, of two blocks of a fold in the halves of i32 lanes; with zero points i32 and with f16 scales f32, of every block
 *   reals:   f16 scales as f32, of every block
 */

/** Integer factors of blocks without scale codes: they do not depend on the panel. */
export function unitFactors<P>(walk: Walk, channels: i32, to: usize): void {
  const low = factorOf<P>(i32x4.splat(1)), high = factorOf<P>(i32x4.splat(16));
  for (let k = 0; k < channels; k += SUB) {
    for (let plane = 0; plane < walk.planes; plane++, to += 64) {
      for (let i: usize = 0; i < 64; i += 16) v128.store(to + i, plane ? high : low);
    }
  }
}

@inline function realHeaders(walk: Walk, channels: i32, w: usize, flags: i32, bits: i32, offsets: usize, reals: usize): void {
  for (let k = 0; k < channels; k += walk.block, offsets += 64, reals += 64) {
    realHeader(w, flags, bits, reals, offsets);
    w += walk.packedBlock;
  }
}

@inline function store4(at: usize, a: v128, b: v128, c: v128, d: v128): void {
  v128.store(at, a); v128.store(at, b, 16); v128.store(at, c, 32); v128.store(at, d, 48);
}

/** The integer factors of 16 rows, times 2^shift. */
@inline function storeFactors<P>(codes: v128, shift: i32, to: usize): void {
  const low = i16x8.shl(i16x8.extend_low_i8x16_u(codes), shift), high = i16x8.shl(i16x8.extend_high_i8x16_u(codes), shift);
  store4(to, quadFactor<P, N0>(low), quadFactor<P, N4>(low), quadFactor<P, N0>(high), quadFactor<P, N4>(high));
}

@inline function storeOffsets(a: v128, b: v128, half: i32, to: usize): void {
  const low = bytePairs<N0>(a, b), high = bytePairs<N8>(a, b);
  store4(to, offsetPair<N0>(low, half), offsetPair<N4>(low, half), offsetPair<N0>(high, half), offsetPair<N4>(high, half));
}

@inline function twoLevelHeaders<P>(walk: Walk, channels: i32, w: usize, flags: i32, bits: i32, to: usize, offsets: usize): void {
  const block = walk.block, packed = walk.packedBlock, minimum = flags & HEADER_MIN ? 16 : 0, half = flags & HEADER_MIN ? 0 : 1 << (bits - 1);
  for (let k = 0; k < channels; k += block, w += packed) {
    for (let span = min(block, channels - k); span > 0; span -= SUB) {
      for (let plane = 0; plane < walk.planes; plane++, to += 64) storeFactors<P>(v128.load(w), 4 * plane, to);
    }
    if (flags & HEADER_INT_ZERO) {
      zeroOffsets(w, offsets);
      offsets += 64;
    } else if (!((k % walk.foldChannels) / block & 1)) {
      const next = k + block < channels && (k + block) % walk.foldChannels != 0;
      storeOffsets(v128.load(w + minimum), next ? v128.load(w + packed + minimum) : i32x4.splat(0), half, offsets);
      offsets += 64;
    }
  }
}

export function expandHeaders<P>(walk: Walk, channels: i32, w: usize, flags: i32, bits: i32, to: usize, offsets: usize, reals: usize): void {
  if (flags & HEADER_TWO_LEVEL) twoLevelHeaders<P>(walk, channels, w, flags, bits, to, offsets);
  else realHeaders(walk, channels, w, flags, bits, offsets, reals);
}
