import {
  GEMM_CHUNK, HEADER_MIN, HEADER_TWO_LEVEL, SEGMENT_BYTES, SEG_ACT_BLOCK, SEG_DATA, SEG_FIRST_BLOCK, SEG_FROM, SEG_HEADER, SEG_LENGTH,
  SEG_PANEL_BYTES, SEG_ROW_SCALES, SEG_WEIGHT_BITS, SEG_WEIGHT_BLOCK,
} from '../../src/formats/descriptor';
import { actBytes, factorOf, widen } from '../lib/dot';
import { DOTS, FACTORS, MASKS, PARTS, TILE_A, TILE_O, TILE_Y, UNITS, WALK } from '../lib/gemm_scratch';
import { expandHeader, headerBytes } from '../lib/header';
import { N12, N16, N20, N4, N8 } from '../lib/literal';
import { quadBytes } from '../lib/parts';
import { Walk } from '../lib/walk';
import { codeOffsets, realOffsets } from './gemm_offsets';
import { tile4x8 } from './gemm_tile';
import { unpackRun } from './gemm_unpack';
import { tile1x16 } from './gemm_vector';

/*
 * out[t][row] = (residual ? out[t][row] : 0) + Y, the formulas of src/backends/reference/gemm.ts.
 *
 * Panel by panel of 16 rows, and inside a panel segment by segment: headers to factors and offsets once, then the dots of all tokens. One token reads
 * packed codes, 16 rows at a time. More tokens go 4 at a time by 8 rows: up to DIRECT tokens from packed codes, beyond from codes that are unpacked
 * once for all tokens.
 */

/** Most tokens for which unpacking 4 at a time is cheaper than storing what was unpacked. */
const DIRECT: i32 = 8;

function vectorRun<P, B>(walk: Walk, channels: i32, w: usize, x: usize, scales: usize, factors: usize, reals: usize, tile: usize): void {
  tile1x16<P, B>(walk, channels, w, x, scales, factors, reals, tile);
}

/** All tokens by 16 rows, over a run of channels. */
function tileRun<P, B>(
  walk: Walk, channels: i32, w: usize, x: usize, xStride: usize, scales: usize, side: usize, tokens: i32, factors: usize, reals: usize, scratch: usize,
): void {
  for (let t = 0, tile = scratch + TILE_A; t < tokens; t += 4, tile += 256) {
    const last = tokens - 1 - t;
    const one = <usize>min(1, last), two = <usize>min(2, last), three = <usize>min(3, last);
    for (let pair: usize = 0; pair < 64; pair += 32) {
      tile4x8<P, B>(
        walk, channels, w + (pair >> 4) * quadBytes<B>(), x, one * xStride, two * xStride, three * xStride, scales, one * side, two * side, three * side,
        factors + pair, reals ? reals + pair : 0, tile + pair, scratch + DOTS,
      );
    }
    x += 4 * xStride; scales += 4 * side;
  }
}

/** Unpacks a run of channels, at most GEMM_CHUNK, from packed blocks: for u8 the low plane of 32 channels, then the high one. */
function unpack<P>(walk: Walk, channels: i32, bits: i32, header: usize, w: usize, to: usize): void {
  const perChannel = <usize>bits * 2, partBytes = 16 * actBytes<P>();
  for (let left = channels; left > 0; left -= walk.block) {
    w += header;
    for (let span = min(left, walk.block); span > 0; span -= 32) {
      const sub = min(span, 32);
      if (bits == 4) unpackRun<P, N4>(w, sub, to, walk.masks);
      else if (bits == 6) unpackRun<P, N12>(w, sub, to, walk.masks);
      else {
        unpackRun<P, N8>(w, sub, to, walk.masks);
        to += <usize>sub * partBytes;
        unpackRun<P, N8>(w + 16, sub, to, walk.masks);
      }
      w += <usize>sub * perChannel; to += <usize>sub * partBytes;
    }
  }
}

/** Adds the dots of one segment of a panel to tile A. */
function addDots<P>(
  walk: Walk, length: i32, bits: i32, header: usize, w: usize, x: usize, xStride: usize, scales: usize, side: usize, tokens: i32, factors: usize,
  reals: usize, scratch: usize,
): void {
  if (tokens == 1 && (sizeof<P>() != 1 || bits != 6)) {
    walk.header = header;
    const tile = scratch + TILE_A;
    if (bits == 4) vectorRun<P, N4>(walk, length, w, x, scales, factors, reals, tile);
    else if (bits == 8) vectorRun<P, N8>(walk, length, w, x, scales, factors, reals, tile);
    else if (sizeof<P>() != 1) vectorRun<P, N12>(walk, length, w, x, scales, factors, reals, tile);
    return;
  }
  if (bits == 4 && tokens <= DIRECT) {
    walk.header = header;
    tileRun<P, N4>(walk, length, w, x, xStride, scales, side, tokens, factors, reals, scratch);
    return;
  }
  walk.header = 0;
  for (let left = length; left > 0; left -= GEMM_CHUNK) {
    const channels = min(left, GEMM_CHUNK), blocks = <usize>((channels + walk.block - 1) / walk.block);
    unpack<P>(walk, channels, bits, header, w, scratch + PARTS);
    if (bits == 6) tileRun<P, N20>(walk, channels, scratch + PARTS, x, xStride, scales, side, tokens, factors, reals, scratch);
    else tileRun<P, N16>(walk, channels, scratch + PARTS, x, xStride, scales, side, tokens, factors, reals, scratch);
    w += blocks * header + <usize>(channels * bits * 2);
    x += <usize>channels * actBytes<P>();
    scales += blocks << 2;
    factors += blocks * walk.factorStep;
    if (reals) reals += blocks * 64;
  }
}

/** Y += S * A + F * O for the rows of a panel; rows 0: S and F are 1. `high`: F is the row's minimum step and not S. */
@inline function addSegment(scratch: usize, tokens: i32, rows: usize, high: bool): void {
  for (let quad: usize = 0; quad < 64; quad += 16) {
    const pairs = rows ? v128.load(rows + quad) : i32x4.splat(0);
    const s = i32x4.shl(pairs, 16), m = high ? v128.and(pairs, i32x4.splat(0xffff0000)) : s;
    for (let at = scratch + quad, end = at + (<usize>tokens << 6); at < end; at += 64) {
      let a = v128.load(at, TILE_A), o = v128.load(at, TILE_O);
      if (rows) {
        a = f32x4.mul(s, a); o = f32x4.mul(m, o);
      }
      v128.store(at, f32x4.add(v128.load(at, TILE_Y), f32x4.add(a, o)), TILE_Y);
    }
  }
}

function runSegment<P>(
  segment: usize, panel: i32, x: usize, xStride: usize, scales: usize, sums: usize, side: usize, tokens: i32, maxBlocks: usize, scratch: usize,
): void {
  const length = load<i32>(segment, SEG_LENGTH), block = load<i32>(segment, SEG_WEIGHT_BLOCK), bits = load<i32>(segment, SEG_WEIGHT_BITS);
  const flags = load<i32>(segment, SEG_HEADER), header = headerBytes(flags), twoLevel = (flags & HEADER_TWO_LEVEL) != 0;
  const channels = (length + 15) & -16, first = <usize>load<u32>(segment, SEG_FIRST_BLOCK) << 2;
  const w = <usize>load<u32>(segment, SEG_DATA) + <usize>panel * <usize>load<u32>(segment, SEG_PANEL_BYTES);
  const walk = changetype<Walk>(scratch + WALK);
  walk.block = block;
  walk.planes = bits == 8 ? 2 : 1;
  walk.foldChannels = twoLevel ? load<i32>(segment, SEG_ACT_BLOCK) : block;
  walk.factorStep = twoLevel ? <usize>walk.planes * 64 : 0;
  walk.scaleStep = <usize>(walk.foldChannels / block) << 2;
  walk.masks = scratch + MASKS;
  v128.store(scratch + MASKS, sizeof<P>() == 1 && bits != 6 ? i16x8.splat(0x000f) : i8x16.splat(0x0f));

  const factors = scratch + FACTORS, offsets = factors + maxBlocks * 128, step = twoLevel && bits == 8 ? 128 : 64;
  for (let k = 0, from = w, f = factors, o = offsets; k < channels; k += block, f += step, o += 64) {
    expandHeader<P>(from, flags, bits, f, o);
    if (twoLevel && bits == 8) for (let i: usize = 0; i < 64; i += 16) v128.store(f + i, i16x8.shl(v128.load(f + i), 4), 64);
    from += header + <usize>(min(block, channels - k) * bits * 2);
  }
  const wide = actBytes<P>();
  x += <usize>load<u32>(segment, SEG_FROM) * wide;
  memory.fill(scratch + TILE_A, 0, <usize>((tokens + 3) & -4) << 6);
  addDots<P>(
    walk, channels, bits, header, w, x, xStride, scales + first, side, tokens, twoLevel ? factors : scratch + UNITS, twoLevel ? 0 : factors, scratch,
  );
  for (let t = 0, tile = scratch + TILE_O, y = scales + first, z = sums + first; t < tokens; t++, tile += 64, y += side, z += side) {
    if (twoLevel) codeOffsets(walk, channels, offsets, y, z, tile);
    else realOffsets(walk, channels, offsets, y, z, tile);
  }
  addSegment(scratch, tokens, twoLevel ? <usize>load<u32>(segment, SEG_ROW_SCALES) + <usize>panel * 64 : 0, (flags & HEADER_MIN) != 0);
}

@inline export function gemm<P>(
  segments: usize, count: i32, codes: usize, codesStride: i32, scales: usize, sums: usize, blocksStride: i32,
  out: usize, outStride: i32, tokens: i32, firstPanel: i32, lastPanel: i32, residual: i32, scratch: usize,
): void {
  const side = <usize>blocksStride << 2, last = segments + <usize>(count * SEGMENT_BYTES);
  v128.store(scratch + MASKS, i8x16.splat(0x30), 16);
  for (let i: usize = 0; i < 64; i += 16) {
    v128.store(scratch + UNITS + i, factorOf<P>(i32x4.splat(1)));
    v128.store(scratch + UNITS + i, factorOf<P>(i32x4.splat(16)), 64);
  }
  let x = codes, xStride = <usize>codesStride;
  if (sizeof<P>() == 1) {
    x = scratch + FACTORS + <usize>blocksStride * 192;
    xStride = <usize>codesStride * 2;
    for (let t = 0; t < tokens; t++) widen(codes + <usize>(t * codesStride), x + <usize>t * xStride, codesStride);
  }
  for (let panel = firstPanel; panel < lastPanel; panel++) {
    memory.fill(scratch + TILE_Y, 0, <usize>tokens << 6);
    for (let s = segments; s < last; s += SEGMENT_BYTES) {
      runSegment<P>(s, panel, x, xStride, scales, sums, side, tokens, <usize>blocksStride, scratch);
    }
    for (let t = 0; t < tokens; t++) {
      const to = out + (<usize>(t * outStride + panel * 16) << 2), from = scratch + TILE_Y + (<usize>t << 6);
      for (let quad: usize = 0; quad < 64; quad += 16) {
        const y = v128.load(from + quad);
        v128.store(to + quad, residual ? f32x4.add(v128.load(to + quad), y) : y);
      }
    }
  }
}
