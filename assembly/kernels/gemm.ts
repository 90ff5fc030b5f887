import {
  SEGMENT_BYTES, SEG_ACT_BITS, SEG_DATA, SEG_FIRST_BLOCK, SEG_FROM, SEG_HEADER, SEG_LENGTH, SEG_PANEL_BYTES, SEG_ROW_SCALES, SEG_WEIGHT_BITS,
  SEG_WEIGHT_BLOCK,
} from '../../src/formats/descriptor';
import { quadBytes } from '../lib/codes';
import { stepBytes, widen } from '../lib/dot';
import { expandHeader, headerBytes } from '../lib/header';
import { N12, N4, N8 } from '../lib/literal';
import { tile1x16, tile4x8 } from './gemm_tile';

/*
 * out[t][row] = (residual ? out[t][row] : 0) + sum over blocks of (s * dot + m * sum) * scale      (src/backends/reference/gemm.ts)
 *
 * Panel by panel of 16 rows; inside a panel all segments, whatever their widths, block by block in ascending K:
 * header to f32 once, then all tokens, 4 at a time by 8 rows, the rest one at a time by 16 rows.
 *
 * scratch: f32 tile [64 tokens][16] | 16 scales, 16 offsets | plain path: the block's activations as i16 pairs [64][128]
 */

const SCALES: usize = 64 * 16 * 4;
const WIDE: usize = SCALES + 128;

/** One block of one panel for all tokens. */
@inline function block<P, B>(
  w: usize, a: usize, aStride: usize, length: i32, narrow: bool, tokens: i32, tile: usize, sm: usize, scales: usize, sums: usize, side: usize,
): void {
  const nibble = i8x16.splat(0x0f), top = i8x16.splat(0x30);
  let t = 0;
  for (; t + 4 <= tokens; t += 4) {
    for (let pair: usize = 0; pair < 2; pair++) {
      tile4x8<P, B>(w + pair * 2 * quadBytes<B>(), a, aStride, length, narrow, nibble, top, tile + pair * 32, sm + pair * 32, scales, sums, side);
    }
    a += 4 * aStride; tile += 256; scales += 4 * side; sums += 4 * side;
  }
  for (; t < tokens; t++) {
    tile1x16<P, B>(w, a, length, narrow, nibble, top, tile, sm, scales, sums);
    a += aStride; tile += 64; scales += side; sums += side;
  }
}

function blockU4<P>(
  w: usize, a: usize, aStride: usize, length: i32, narrow: bool, tokens: i32, tile: usize, sm: usize, scales: usize, sums: usize, side: usize,
): void {
  block<P, N4>(w, a, aStride, length, narrow, tokens, tile, sm, scales, sums, side);
}

function blockU6<P>(
  w: usize, a: usize, aStride: usize, length: i32, narrow: bool, tokens: i32, tile: usize, sm: usize, scales: usize, sums: usize, side: usize,
): void {
  block<P, N12>(w, a, aStride, length, narrow, tokens, tile, sm, scales, sums, side);
}

function blockU8<P>(
  w: usize, a: usize, aStride: usize, length: i32, narrow: bool, tokens: i32, tile: usize, sm: usize, scales: usize, sums: usize, side: usize,
): void {
  block<P, N8>(w, a, aStride, length, narrow, tokens, tile, sm, scales, sums, side);
}

/** Adds one segment's part of panel `panel` to the tile. */
@inline function addSegment<P>(
  segment: usize, panel: i32, codes: usize, codesStride: i32, scales: usize, sums: usize, side: usize, tokens: i32, tile: usize,
): void {
  const length = load<i32>(segment, SEG_LENGTH), weightBlock = load<i32>(segment, SEG_WEIGHT_BLOCK);
  const bits = load<i32>(segment, SEG_WEIGHT_BITS), header = load<i32>(segment, SEG_HEADER);
  const narrow = load<i32>(segment, SEG_ACT_BITS) == 4;
  const rows = <usize>load<u32>(segment, SEG_ROW_SCALES) + <usize>panel * 64;
  const first = <usize>load<u32>(segment, SEG_FIRST_BLOCK) << 2;
  let w = <usize>load<u32>(segment, SEG_DATA) + <usize>panel * <usize>load<u32>(segment, SEG_PANEL_BYTES);
  let a = codes + <usize>load<u32>(segment, SEG_FROM);
  const sm = tile + SCALES;
  scales += first; sums += first;
  for (let k = 0; k < length; k += weightBlock) {
    const channels = (min(weightBlock, length - k) + 15) & -16;
    expandHeader(w, header, bits, rows, sm);
    w += headerBytes(header);
    let from = a, stride = <usize>codesStride;
    if (sizeof<P>() == 1) {
      from = tile + WIDE; stride = <usize>channels * 2;
      for (let t = 0; t < tokens; t++) widen(a + <usize>t * <usize>codesStride, from + <usize>t * stride, channels);
    }
    if (bits == 4) blockU4<P>(w, from, stride, channels, narrow, tokens, tile, sm, scales, sums, side);
    else if (bits == 6) blockU6<P>(w, from, stride, channels, narrow, tokens, tile, sm, scales, sums, side);
    else blockU8<P>(w, from, stride, channels, narrow, tokens, tile, sm, scales, sums, side);
    w += <usize>(channels * bits * 2);
    a += <usize>weightBlock; scales += 4; sums += 4;
  }
}

@inline export function gemm<P>(
  segments: usize, count: i32, codes: usize, codesStride: i32, scales: usize, sums: usize, blocksStride: i32,
  out: usize, outStride: i32, tokens: i32, firstPanel: i32, lastPanel: i32, residual: i32, scratch: usize,
): void {
  const side = <usize>blocksStride << 2;
  for (let panel = firstPanel; panel < lastPanel; panel++) {
    memory.fill(scratch, 0, <usize>tokens << 6);
    for (let i = 0; i < count; i++) {
      addSegment<P>(segments + <usize>(i * SEGMENT_BYTES), panel, codes, codesStride, scales, sums, side, tokens, scratch);
    }
    for (let t = 0; t < tokens; t++) {
      const to = out + (<usize>(t * outStride + panel * 16) << 2), from = scratch + (<usize>t << 6);
      for (let quad: usize = 0; quad < 64; quad += 16) {
        const acc = v128.load(from + quad);
        v128.store(to + quad, residual ? f32x4.add(v128.load(to + quad), acc) : acc);
      }
    }
  }
}
