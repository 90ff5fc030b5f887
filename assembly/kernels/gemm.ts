import {
  GEMM_CHUNK, HEADER_INT_ZERO, HEADER_MIN, HEADER_ROW, HEADER_TWO_LEVEL, SEGMENT_BYTES, SEG_ACT_BITS, SEG_DATA, SEG_FIRST_BLOCK, SEG_FOLD, SEG_FROM,
  SEG_HEADER, SEG_LENGTH, SEG_PANEL_BYTES, SEG_ROW_SCALES, SEG_WEIGHT_BITS, SEG_WEIGHT_BLOCK,
} from '../../src/formats/descriptor';
import { actBytes, widen } from '../lib/dot';
import { DOTS, FACTORS, MASKS, NO_DOTS, ONES, PARTS, TILE_A, TILE_O, TILE_Y, WALK } from '../lib/gemm_scratch';
import { headerBytes } from '../lib/header';
import { N0, N12, N16, N20, N4, N8 } from '../lib/literal';
import { touch } from '../lib/touch';
import { Walk } from '../lib/walk';
import { vectorOffsets, vectorU4, vectorU6 } from './gemm_direct';
import { expandHeaders, unitFactors } from './gemm_headers';
import { codeOffsets, pairedOffsets, pairSums, realOffsets, rowOffsets } from './gemm_offsets';
import { addPairs, startSums } from './gemm_pairs';
import { SUB } from './gemm_sub';
import { tile2x16 } from './gemm_tile';
import { unpack } from './gemm_unpack';
import { tile1x16 } from './gemm_vector';

/*
 * out[t][row] = (residual ? out[t][row] : 0) + Y, the formulas of src/backends/reference/gemm.ts.
 *
 * Panel by panel of 16 rows, a panel's segments after another: headers to factors and offsets once, then the dots of all tokens. A few tokens
 * walk the packed panel one by one. More go 2 at a time: up to DIRECT from packed codes, beyond from codes that are unpacked once for all tokens.
 */

/** Most tokens of which each walks the panel for itself: after the first it lies in the first cache. */
const FEW: i32 = 5;
/** Most tokens for which unpacking 2 at a time is cheaper than storing what was unpacked. */
const DIRECT: i32 = 8;

/** All tokens by 16 rows, over `subs` sub-blocks. A last token without a partner runs beside itself. */
function tileRun<P, B, T>(
  walk: Walk, subs: i32, w: usize, x: usize, xStride: usize, scales: usize, side: usize, tokens: i32, factors: usize, reals: usize, scratch: usize,
): void {
  for (let t = 0, tile = scratch + TILE_A; t < tokens; t += 2, tile += 128, x += 2 * xStride, scales += 2 * side) {
    const next = <usize>(t + 1 < tokens);
    tile2x16<P, B, T>(walk, subs, w, x, x + next * xStride, scales, scales + next * side, factors, reals, tile, scratch + DOTS);
  }
}

/** Adds the dots of one segment of a panel to tile A. */
function addDots<P>(
  walk: Walk, length: i32, bits: i32, header: usize, w: usize, x: usize, xStride: usize, scales: usize, side: usize, tokens: i32, factors: usize,
  reals: usize, scratch: usize,
): void {
  if (tokens == 1 && (sizeof<P>() != 1 || bits != 6)) {
    const tile = scratch + TILE_A;
    if (bits == 4) tile1x16<P, N4>(walk, length, w, x, scales, factors, reals, tile);
    else if (bits == 8) tile1x16<P, N8>(walk, length, w, x, scales, factors, reals, tile);
    else if (sizeof<P>() != 1) tile1x16<P, N12>(walk, length, w, x, scales, factors, reals, tile);
    return;
  }
  if (bits == 4 && tokens <= DIRECT && length % SUB == 0) {
    tileRun<P, N4, N0>(walk, length / SUB, w, x, xStride, scales, side, tokens, factors, reals, scratch);
    return;
  }
  for (let left = length; left > 0; left -= GEMM_CHUNK) {
    const channels = min(left, GEMM_CHUNK), blocks = <usize>((channels + walk.block - 1) / walk.block), subs = (channels + SUB - 1) / SUB * walk.planes;
    unpack<P>(walk, channels, bits, header, w, scratch + PARTS);
    if (bits == 6) tileRun<P, N20, N0>(walk, subs, scratch + PARTS, x, xStride, scales, side, tokens, factors, reals, scratch);
    else if (bits == 4) tileRun<P, N16, N0>(walk, subs, scratch + PARTS, x, xStride, scales, side, tokens, factors, reals, scratch);
    else tileRun<P, N16, N4>(walk, subs, scratch + PARTS, x, xStride, scales, side, tokens, factors, reals, scratch);
    w += blocks * header + <usize>(channels * bits * 2);
    x += <usize>channels * actBytes<P>();
    scales += blocks << 2;
    factors += <usize>subs * 64;
    reals += blocks * walk.realStep;
  }
}

/**
 * Y = Y (0 in the first segment) + S * A + F * O for the rows of a panel; the last segment's goes to `out`, or is added to it. rows 0: S and F are 1.
 * `high`: F is the row's minimum step and not S.
 */
@inline function addSegment(scratch: usize, tokens: i32, rows: usize, high: bool, first: bool, last: bool, out: usize, outStride: usize, residual: i32): void {
  for (let quad: usize = 0; quad < 64; quad += 16, out += 16) {
    const pairs = rows ? v128.load(rows + quad) : i32x4.splat(0);
    const s = i32x4.shl(pairs, 16), m = high ? v128.and(pairs, i32x4.splat(0xffff0000)) : s;
    for (let at = scratch + quad, end = at + (<usize>tokens << 6), to = out; at < end; at += 64, to += outStride) {
      let a = v128.load(at, TILE_A), o = v128.load(at, TILE_O);
      if (rows) {
        a = f32x4.mul(s, a); o = f32x4.mul(m, o);
      }
      const y = f32x4.add(first ? f32x4.splat(0) : v128.load(at, TILE_Y), f32x4.add(a, o));
      if (last) v128.store(to, residual ? f32x4.add(v128.load(to), y) : y);
      else v128.store(at, y, TILE_Y);
    }
  }
}

/** Scaled offsets of all tokens to tile O. `sums`, `pairs`: as they are, and of two blocks in a word (`pairSums`), `pairStep` bytes a token. */
@inline function addOffsets(
  walk: Walk, channels: i32, flags: i32, offsets: usize, scales: usize, sums: usize, side: usize, pairs: usize, pairStep: usize, tokens: i32, tile: usize,
): void {
  if ((flags & HEADER_TWO_LEVEL) && !(flags & HEADER_INT_ZERO)) {
    for (let t = 0; t < tokens; t += 2, tile += 128, scales += 2 * side, pairs += 2 * pairStep) {
      const next = <usize>(t + 1 < tokens);
      pairedOffsets(walk, channels, offsets, scales, scales + next * side, pairs, pairs + next * pairStep, tile);
    }
  } else {
    for (let t = 0; t < tokens; t++, tile += 64, scales += side, sums += side) {
      if (flags & HEADER_TWO_LEVEL) codeOffsets(walk, channels, offsets, scales, sums, tile);
      else realOffsets(walk, channels, offsets, scales, sums, tile);
    }
  }
}

/** One segment of panels [firstPanel, lastPanel); `first`, `last`: whether it is the linear's first and last. */
function runSegment<P>(
  segment: usize, firstPanel: i32, lastPanel: i32, x: usize, xStride: usize, scales: usize, sums: usize, pairs: usize, side: usize, tokens: i32,
  maxSubs: usize, scratch: usize, starts: usize, first: bool, last: bool, out: usize, outStride: usize, residual: i32,
): void {
  const length = load<i32>(segment, SEG_LENGTH), block = load<i32>(segment, SEG_WEIGHT_BLOCK), bits = load<i32>(segment, SEG_WEIGHT_BITS);
  const flags = load<i32>(segment, SEG_HEADER), header = headerBytes(flags), twoLevel = (flags & HEADER_TWO_LEVEL) != 0;
  const channels = (length + 15) & -16, begin = <usize>load<u32>(segment, SEG_FIRST_BLOCK) << 2, panelBytes = <usize>load<u32>(segment, SEG_PANEL_BYTES);
  const hasMinimum = (flags & HEADER_MIN) != 0, paired = sizeof<P>() == 1 && bits == 4 && load<i32>(segment, SEG_ACT_BITS) == 4 && tokens >= 4;
  const single = (flags & HEADER_ROW) != 0, few = tokens <= FEW && (bits == 4 || bits == 6 && sizeof<P>() != 1);
  const direct = few && twoLevel && !(flags & HEADER_INT_ZERO) && channels % SUB == 0;
  const walk = changetype<Walk>(scratch + WALK);
  walk.block = block;
  walk.packedBlock = header + <usize>(block * bits * 2);
  walk.planes = bits == 8 ? 2 : 1;
  walk.foldChannels = twoLevel ? load<i32>(segment, SEG_FOLD) : block;
  walk.scaleStep = <usize>(walk.foldChannels / block) << 2;
  walk.realStep = twoLevel ? 0 : 64;
  walk.masks = scratch + MASKS;
  walk.header = header;
  walk.ones = single ? scratch + ONES : 0;
  v128.store(scratch + MASKS, bits == 6 ? i8x16.splat(0x3f) : sizeof<P>() == 1 ? i16x8.splat(0x000f) : i8x16.splat(0x0f));

  const factors = scratch + FACTORS, offsets = factors + maxSubs * 128, reals = offsets + maxSubs * 64;
  if (!twoLevel || single && !direct) unitFactors<P>(walk, channels, factors);
  x += <usize>load<u32>(segment, SEG_FROM) * actBytes<P>();
  scales += begin; sums += begin; pairs += begin;
  if (single) {
    const n = hasMinimum ? 1 : -1 << (bits - 1);
    for (let t: usize = 0; t < <usize>tokens; t++) rowOffsets(walk, channels, n, scales + t * side, sums + t * side, scratch + TILE_O + (t << 6));
  }
  out += <usize>firstPanel << 6;
  let w = <usize>load<u32>(segment, SEG_DATA) + <usize>firstPanel * panelBytes;
  let rows = twoLevel ? <usize>load<u32>(segment, SEG_ROW_SCALES) + (<usize>firstPanel << 6) : 0;
  for (let panel = firstPanel; panel < lastPanel; panel++, w += panelBytes, out += 64) {
    if (direct) {
      for (let t: usize = 0; t < <usize>tokens; t++) {
        const tile = scratch + (t << 6), y = scales + t * side;
        if (bits == 4) vectorU4<P>(walk, channels, w, x + t * xStride, y, tile + TILE_A);
        else if (sizeof<P>() != 1) vectorU6<P>(walk, channels, w, x + t * xStride, y, tile + TILE_A);
        if (!single) vectorOffsets(walk, channels, w, hasMinimum ? 16 : 0, hasMinimum ? 0 : 1 << (bits - 1), y, pairs + t * (maxSubs << 2), tile + TILE_O);
      }
    } else {
      touch(w, panelBytes, scratch + TILE_A);
      if (!single) expandHeaders<P>(walk, channels, w, flags, bits, factors, offsets, reals);
      memory.fill(scratch + TILE_A, 0, <usize>((tokens + 3) & -4) << 6);
      if (paired) addPairs(walk, channels, header, w, x, xStride, scales, side, tokens, factors, reals, starts, maxSubs << 2, scratch);
      else addDots<P>(walk, channels, bits, header, w, x, xStride, scales, side, tokens, factors, reals, scratch);
      if (!single) addOffsets(walk, channels, flags, offsets, scales, sums, side, pairs, maxSubs << 2, tokens, scratch + TILE_O);
    }
    addSegment(scratch, tokens, rows, hasMinimum, first, last, out, outStride, residual);
    if (twoLevel) rows += 64;
  }
}

/** Where the first token's starts of a segment lie: every segment may end in a short sub-block. */
@inline function startsOf(segment: usize, segments: usize, starts: usize): usize {
  return starts + (<usize>load<u32>(segment, SEG_FROM) / SUB + (segment - segments) / SEGMENT_BYTES) * 4;
}

@inline export function gemm<P>(
  segments: usize, count: i32, codes: usize, codesStride: i32, scales: usize, sums: usize, blocksStride: i32,
  out: usize, outStride: i32, tokens: i32, firstPanel: i32, lastPanel: i32, residual: i32, scratch: usize,
): void {
  const side = <usize>blocksStride << 2, last = segments + <usize>(count * SEGMENT_BYTES);
  v128.store(scratch + MASKS, i8x16.splat(0x03), 16);
  v128.store(scratch + MASKS, i32x4.splat(4095), 32);
  v128.store(scratch + MASKS, i32x4.splat(2047), 48);
  v128.store(scratch + MASKS, i8x16.splat(0x0c), 64);
  v128.store(scratch + MASKS, i8x16.splat(0x30), 80);
  v128.store(scratch + MASKS, i16x8.splat(1), 96);
  v128.store(scratch + ONES, i8x16.splat(1));
  for (let i: usize = 0; i < 128; i += 16) v128.store(scratch + NO_DOTS + i, i32x4.splat(0));
  const maxSubs = <usize>(codesStride + SUB - 1) / SUB + <usize>count; // every segment may end in a short one
  let x = codes, xStride = <usize>codesStride;
  const pairs = scratch + FACTORS + maxSubs * 256;
  for (let t = 0; t < tokens; t++) {
    for (let s = segments; s < last; s += SEGMENT_BYTES) {
      const block = load<i32>(s, SEG_WEIGHT_BLOCK), from = sums + <usize>t * side, to = pairs + <usize>t * (maxSubs << 2);
      const at = <usize>load<u32>(s, SEG_FIRST_BLOCK) << 2;
      pairSums(from + at, to + at, (load<i32>(s, SEG_LENGTH) + block - 1) / block, load<i32>(s, SEG_FOLD) / block);
    }
  }
  const starts = pairs + ((<usize>tokens * maxSubs * 4 + 63) & -64);
  if (sizeof<P>() == 1) {
    x = starts + ((<usize>tokens * maxSubs * 4 + 63) & -64);
    xStride = <usize>codesStride * 2;
    for (let t = 0; t < tokens; t++) {
      const row = x + <usize>t * xStride;
      widen(codes + <usize>(t * codesStride), row, codesStride);
      for (let s = segments; s < last; s += SEGMENT_BYTES) {
        startSums(row + 2 * <usize>load<u32>(s, SEG_FROM), (load<i32>(s, SEG_LENGTH) + 15) & -16, startsOf(s, segments, starts) + <usize>t * maxSubs * 4);
      }
    }
  }
  // All panels of one segment, or all segments of one panel: what a segment needs is set up as rarely as possible.
  const step = count == 1 ? lastPanel - firstPanel : 1;
  for (let panel = firstPanel; panel < lastPanel; panel += step) {
    for (let s = segments; s < last; s += SEGMENT_BYTES) {
      runSegment<P>(
        s, panel, panel + step, x, xStride, scales, sums, pairs, side, tokens, maxSubs, scratch, sizeof<P>() == 1 ? startsOf(s, segments, starts) : 0,
        s == segments, s + SEGMENT_BYTES == last, out, <usize>outStride << 2, residual,
      );
    }
  }
}
