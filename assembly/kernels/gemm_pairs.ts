import { GEMM_CHUNK } from '../../src/formats/descriptor';
import { mac } from '../lib/dot';
import { DOTS, PARTS, TILE_A } from '../lib/gemm_scratch';
import { N0, N12, N4, N8 } from '../lib/literal';
import { part, stepBytes } from '../lib/parts';
import { Walk } from '../lib/walk';
import { SUB } from './gemm_sub';

/*
 * W4A4 on plain simd128, two rows a lane: an i16 lane holds the code A of a row in bits 0..3 and, signed, the code B - 8 of the row 4 further in bits
 * 12..15, so that i32x4.dot_i16x8_s serves both and its sum is L + 4096 H with L = sum a * A, H = sum a * (B - 8). With a and A - 8 in -8..7 the sum of
 * a * (A - 8) over a sub-block of 32 channels is in 32 * -56 = -1792..2048 = 32 * 64: started at 2047 - 8 * sum a, the low 12 bits are
 * L - 8 * sum a + 2047 and the others H. Rows of quads 0 and 1, and of quads 2 and 3, go together; 4 tokens by 16 rows.
 */

const PAIR: usize = 64; // bytes of 8 channels of a pair of quads

@inline function joined(a: v128, b: v128, eight: v128): v128 { return v128.or(a, i16x8.shl(v128.xor(b, eight), 12)); }

@inline function joinQuads<A, B>(w: usize, to: usize, nibble: v128, eight: v128): void {
  v128.store(to, joined(part<u8, N4, A, N0>(w, nibble, nibble), part<u8, N4, B, N0>(w, nibble, nibble), eight));
  v128.store(to, joined(part<u8, N4, A, N4>(w, nibble, nibble), part<u8, N4, B, N4>(w, nibble, nibble), eight), 16);
  v128.store(to, joined(part<u8, N4, A, N8>(w, nibble, nibble), part<u8, N4, B, N8>(w, nibble, nibble), eight), 32);
  v128.store(to, joined(part<u8, N4, A, N12>(w, nibble, nibble), part<u8, N4, B, N12>(w, nibble, nibble), eight), 48);
}

/** Joins `channels` of a panel's u4 codes to [8 channels][pair of quads][part]. */
function joinRun(w: usize, channels: i32, to: usize, masks: usize): void {
  const nibble = v128.load(masks), eight = i16x8.splat(8);
  for (let k = 0; k < channels; k += 8, w += stepBytes<u8, N4>(), to += 2 * PAIR) {
    joinQuads<N0, N4>(w, to, nibble, eight);
    joinQuads<N8, N12>(w, to + PAIR, nibble, eight);
  }
}

/** For every sub-block of `channels` activations, twice as long for being i16: 2047 - 8 * sum, i32. */
export function startSums(x: usize, channels: i32, to: usize): void {
  const ones = i16x8.splat(1);
  for (let left = channels; left > 0; left -= SUB, to += 4) {
    let sum = i32x4.splat(0);
    for (let end = x + 2 * <usize>min(left, SUB); x < end; x += 16) sum = i32x4.add(sum, i32x4.dot_i16x8_s(v128.load(x), ones));
    const all = i32x4.extract_lane(sum, 0) + i32x4.extract_lane(sum, 1) + i32x4.extract_lane(sum, 2) + i32x4.extract_lane(sum, 3);
    store<i32>(to, 2047 - 8 * all);
  }
}

/** Adds both rows' sums, with their factors, to the i32 sums at `dots`; `start` is what the sum began with, `less` 2047 less. */
@inline function split(dots: usize, sum: v128, start: v128, less: v128, first: v128, second: v128, low: v128): void {
  const a = i32x4.sub(v128.and(sum, low), start), b = i32x4.sub(i32x4.shr_s(sum, 12), less);
  v128.store(dots, i32x4.add(v128.load(dots), i32x4.dot_i16x8_s(a, first)));
  v128.store(dots, i32x4.add(v128.load(dots, 16), i32x4.dot_i16x8_s(b, second)), 16);
}

/** A += f32(sum) * scale for a token's 16 rows. */
@inline function finish(tile: usize, dots: usize, scale: v128, reals: usize): void {
  for (let i: usize = 0; i < 64; i += 16) {
    const s = reals ? f32x4.mul(v128.load(reals + i), scale) : scale;
    v128.store(tile + i, f32x4.add(v128.load(tile + i), f32x4.mul(f32x4.convert_i32x4_s(v128.load(dots + i)), s)));
  }
}

/** 16 rows by 4 tokens over `subs` joined sub-blocks; x0.., y0.., z0..: activations (i16), scales and starts of the tokens. `dots`: 16 vectors. */
function tile4Pairs(
  walk: Walk, subs: i32, w: usize, x0: usize, x1: usize, x2: usize, x3: usize, y0: usize, y1: usize, y2: usize, y3: usize,
  z0: usize, z1: usize, z2: usize, z3: usize, factors: usize, reals: usize, tile: usize, dots: usize,
): void {
  const none = i32x4.splat(0), low = v128.load(walk.masks, 32), start = v128.load(walk.masks, 48);
  const foldSubs = walk.foldChannels / SUB, scaleStep = walk.scaleStep;
  for (let left = subs; left > 0; left -= foldSubs) {
    for (let i: usize = 0; i < 256; i += 16) v128.store(dots + i, none);
    for (let n = min(left, foldSubs); n > 0; n--) {
      let p0 = v128.load32_splat(z0), p1 = v128.load32_splat(z1), p2 = v128.load32_splat(z2), p3 = v128.load32_splat(z3), u: v128, v: v128, s: v128;
      let q0 = p0, q1 = p1, q2 = p2, q3 = p3;
      u = v128.load(w); v = v128.load(w, 64);
      s = v128.load32_splat(x0); p0 = mac<u8>(p0, u, s); q0 = mac<u8>(q0, v, s);
      s = v128.load32_splat(x1); p1 = mac<u8>(p1, u, s); q1 = mac<u8>(q1, v, s);
      s = v128.load32_splat(x2); p2 = mac<u8>(p2, u, s); q2 = mac<u8>(q2, v, s);
      s = v128.load32_splat(x3); p3 = mac<u8>(p3, u, s); q3 = mac<u8>(q3, v, s);
      u = v128.load(w, 16); v = v128.load(w, 80);
      s = v128.load32_splat(x0, 4); p0 = mac<u8>(p0, u, s); q0 = mac<u8>(q0, v, s);
      s = v128.load32_splat(x1, 4); p1 = mac<u8>(p1, u, s); q1 = mac<u8>(q1, v, s);
      s = v128.load32_splat(x2, 4); p2 = mac<u8>(p2, u, s); q2 = mac<u8>(q2, v, s);
      s = v128.load32_splat(x3, 4); p3 = mac<u8>(p3, u, s); q3 = mac<u8>(q3, v, s);
      u = v128.load(w, 32); v = v128.load(w, 96);
      s = v128.load32_splat(x0, 8); p0 = mac<u8>(p0, u, s); q0 = mac<u8>(q0, v, s);
      s = v128.load32_splat(x1, 8); p1 = mac<u8>(p1, u, s); q1 = mac<u8>(q1, v, s);
      s = v128.load32_splat(x2, 8); p2 = mac<u8>(p2, u, s); q2 = mac<u8>(q2, v, s);
      s = v128.load32_splat(x3, 8); p3 = mac<u8>(p3, u, s); q3 = mac<u8>(q3, v, s);
      u = v128.load(w, 48); v = v128.load(w, 112);
      s = v128.load32_splat(x0, 12); p0 = mac<u8>(p0, u, s); q0 = mac<u8>(q0, v, s);
      s = v128.load32_splat(x1, 12); p1 = mac<u8>(p1, u, s); q1 = mac<u8>(q1, v, s);
      s = v128.load32_splat(x2, 12); p2 = mac<u8>(p2, u, s); q2 = mac<u8>(q2, v, s);
      s = v128.load32_splat(x3, 12); p3 = mac<u8>(p3, u, s); q3 = mac<u8>(q3, v, s);
      u = v128.load(w, 128); v = v128.load(w, 192);
      s = v128.load32_splat(x0, 16); p0 = mac<u8>(p0, u, s); q0 = mac<u8>(q0, v, s);
      s = v128.load32_splat(x1, 16); p1 = mac<u8>(p1, u, s); q1 = mac<u8>(q1, v, s);
      s = v128.load32_splat(x2, 16); p2 = mac<u8>(p2, u, s); q2 = mac<u8>(q2, v, s);
      s = v128.load32_splat(x3, 16); p3 = mac<u8>(p3, u, s); q3 = mac<u8>(q3, v, s);
      u = v128.load(w, 144); v = v128.load(w, 208);
      s = v128.load32_splat(x0, 20); p0 = mac<u8>(p0, u, s); q0 = mac<u8>(q0, v, s);
      s = v128.load32_splat(x1, 20); p1 = mac<u8>(p1, u, s); q1 = mac<u8>(q1, v, s);
      s = v128.load32_splat(x2, 20); p2 = mac<u8>(p2, u, s); q2 = mac<u8>(q2, v, s);
      s = v128.load32_splat(x3, 20); p3 = mac<u8>(p3, u, s); q3 = mac<u8>(q3, v, s);
      u = v128.load(w, 160); v = v128.load(w, 224);
      s = v128.load32_splat(x0, 24); p0 = mac<u8>(p0, u, s); q0 = mac<u8>(q0, v, s);
      s = v128.load32_splat(x1, 24); p1 = mac<u8>(p1, u, s); q1 = mac<u8>(q1, v, s);
      s = v128.load32_splat(x2, 24); p2 = mac<u8>(p2, u, s); q2 = mac<u8>(q2, v, s);
      s = v128.load32_splat(x3, 24); p3 = mac<u8>(p3, u, s); q3 = mac<u8>(q3, v, s);
      u = v128.load(w, 176); v = v128.load(w, 240);
      s = v128.load32_splat(x0, 28); p0 = mac<u8>(p0, u, s); q0 = mac<u8>(q0, v, s);
      s = v128.load32_splat(x1, 28); p1 = mac<u8>(p1, u, s); q1 = mac<u8>(q1, v, s);
      s = v128.load32_splat(x2, 28); p2 = mac<u8>(p2, u, s); q2 = mac<u8>(q2, v, s);
      s = v128.load32_splat(x3, 28); p3 = mac<u8>(p3, u, s); q3 = mac<u8>(q3, v, s);
      u = v128.load(w, 256); v = v128.load(w, 320);
      s = v128.load32_splat(x0, 32); p0 = mac<u8>(p0, u, s); q0 = mac<u8>(q0, v, s);
      s = v128.load32_splat(x1, 32); p1 = mac<u8>(p1, u, s); q1 = mac<u8>(q1, v, s);
      s = v128.load32_splat(x2, 32); p2 = mac<u8>(p2, u, s); q2 = mac<u8>(q2, v, s);
      s = v128.load32_splat(x3, 32); p3 = mac<u8>(p3, u, s); q3 = mac<u8>(q3, v, s);
      u = v128.load(w, 272); v = v128.load(w, 336);
      s = v128.load32_splat(x0, 36); p0 = mac<u8>(p0, u, s); q0 = mac<u8>(q0, v, s);
      s = v128.load32_splat(x1, 36); p1 = mac<u8>(p1, u, s); q1 = mac<u8>(q1, v, s);
      s = v128.load32_splat(x2, 36); p2 = mac<u8>(p2, u, s); q2 = mac<u8>(q2, v, s);
      s = v128.load32_splat(x3, 36); p3 = mac<u8>(p3, u, s); q3 = mac<u8>(q3, v, s);
      u = v128.load(w, 288); v = v128.load(w, 352);
      s = v128.load32_splat(x0, 40); p0 = mac<u8>(p0, u, s); q0 = mac<u8>(q0, v, s);
      s = v128.load32_splat(x1, 40); p1 = mac<u8>(p1, u, s); q1 = mac<u8>(q1, v, s);
      s = v128.load32_splat(x2, 40); p2 = mac<u8>(p2, u, s); q2 = mac<u8>(q2, v, s);
      s = v128.load32_splat(x3, 40); p3 = mac<u8>(p3, u, s); q3 = mac<u8>(q3, v, s);
      u = v128.load(w, 304); v = v128.load(w, 368);
      s = v128.load32_splat(x0, 44); p0 = mac<u8>(p0, u, s); q0 = mac<u8>(q0, v, s);
      s = v128.load32_splat(x1, 44); p1 = mac<u8>(p1, u, s); q1 = mac<u8>(q1, v, s);
      s = v128.load32_splat(x2, 44); p2 = mac<u8>(p2, u, s); q2 = mac<u8>(q2, v, s);
      s = v128.load32_splat(x3, 44); p3 = mac<u8>(p3, u, s); q3 = mac<u8>(q3, v, s);
      u = v128.load(w, 384); v = v128.load(w, 448);
      s = v128.load32_splat(x0, 48); p0 = mac<u8>(p0, u, s); q0 = mac<u8>(q0, v, s);
      s = v128.load32_splat(x1, 48); p1 = mac<u8>(p1, u, s); q1 = mac<u8>(q1, v, s);
      s = v128.load32_splat(x2, 48); p2 = mac<u8>(p2, u, s); q2 = mac<u8>(q2, v, s);
      s = v128.load32_splat(x3, 48); p3 = mac<u8>(p3, u, s); q3 = mac<u8>(q3, v, s);
      u = v128.load(w, 400); v = v128.load(w, 464);
      s = v128.load32_splat(x0, 52); p0 = mac<u8>(p0, u, s); q0 = mac<u8>(q0, v, s);
      s = v128.load32_splat(x1, 52); p1 = mac<u8>(p1, u, s); q1 = mac<u8>(q1, v, s);
      s = v128.load32_splat(x2, 52); p2 = mac<u8>(p2, u, s); q2 = mac<u8>(q2, v, s);
      s = v128.load32_splat(x3, 52); p3 = mac<u8>(p3, u, s); q3 = mac<u8>(q3, v, s);
      u = v128.load(w, 416); v = v128.load(w, 480);
      s = v128.load32_splat(x0, 56); p0 = mac<u8>(p0, u, s); q0 = mac<u8>(q0, v, s);
      s = v128.load32_splat(x1, 56); p1 = mac<u8>(p1, u, s); q1 = mac<u8>(q1, v, s);
      s = v128.load32_splat(x2, 56); p2 = mac<u8>(p2, u, s); q2 = mac<u8>(q2, v, s);
      s = v128.load32_splat(x3, 56); p3 = mac<u8>(p3, u, s); q3 = mac<u8>(q3, v, s);
      u = v128.load(w, 432); v = v128.load(w, 496);
      s = v128.load32_splat(x0, 60); p0 = mac<u8>(p0, u, s); q0 = mac<u8>(q0, v, s);
      s = v128.load32_splat(x1, 60); p1 = mac<u8>(p1, u, s); q1 = mac<u8>(q1, v, s);
      s = v128.load32_splat(x2, 60); p2 = mac<u8>(p2, u, s); q2 = mac<u8>(q2, v, s);
      s = v128.load32_splat(x3, 60); p3 = mac<u8>(p3, u, s); q3 = mac<u8>(q3, v, s);
      s = v128.load32_splat(z0); u = i32x4.sub(s, start);
      split(dots, p0, s, u, v128.load(factors), v128.load(factors, 16), low);
      split(dots + 32, q0, s, u, v128.load(factors, 32), v128.load(factors, 48), low);
      s = v128.load32_splat(z1); u = i32x4.sub(s, start);
      split(dots + 64, p1, s, u, v128.load(factors), v128.load(factors, 16), low);
      split(dots + 96, q1, s, u, v128.load(factors, 32), v128.load(factors, 48), low);
      s = v128.load32_splat(z2); u = i32x4.sub(s, start);
      split(dots + 128, p2, s, u, v128.load(factors), v128.load(factors, 16), low);
      split(dots + 160, q2, s, u, v128.load(factors, 32), v128.load(factors, 48), low);
      s = v128.load32_splat(z3); u = i32x4.sub(s, start);
      split(dots + 192, p3, s, u, v128.load(factors), v128.load(factors, 16), low);
      split(dots + 224, q3, s, u, v128.load(factors, 32), v128.load(factors, 48), low);
      factors += 64; w += 8 * PAIR;
      x0 += 64; x1 += 64; x2 += 64; x3 += 64;
      z0 += 4; z1 += 4; z2 += 4; z3 += 4;
    }
    const real = walk.realStep ? reals : 0;
    finish(tile, dots, v128.load32_splat(y0), real); finish(tile + 64, dots + 64, v128.load32_splat(y1), real);
    finish(tile + 128, dots + 128, v128.load32_splat(y2), real); finish(tile + 192, dots + 192, v128.load32_splat(y3), real);
    y0 += scaleStep; y1 += scaleStep; y2 += scaleStep; y3 += scaleStep;
    reals += walk.realStep;
  }
}

/** Adds the dots of a u4 segment with 4-bit activations to tile A, two rows a lane (plain path). */
export function addPairs(
  walk: Walk, length: i32, header: usize, w: usize, x: usize, xStride: usize, scales: usize, side: usize, tokens: i32, factors: usize, reals: usize,
  starts: usize, startStride: usize, scratch: usize,
): void {
  for (let left = length; left > 0; left -= GEMM_CHUNK) {
    const channels = min(left, GEMM_CHUNK), subs = (channels + SUB - 1) / SUB;
    let to = scratch + PARTS;
    for (let rest = channels; rest > 0; rest -= walk.block) {
      w += header;
      for (let span = min(rest, walk.block); span > 0; span -= SUB, to += 16 * SUB) {
        if (span < SUB) memory.fill(to, 0, 16 * SUB);
        joinRun(w, min(span, SUB), to, walk.masks);
        w += 8 * <usize>min(span, SUB);
      }
    }
    for (let t = 0; t < tokens; t += 4) {
      const one = <usize>t, two = <usize>min(t + 1, tokens - 1), three = <usize>min(t + 2, tokens - 1), four = <usize>min(t + 3, tokens - 1);
      tile4Pairs(
        walk, subs, scratch + PARTS, x + one * xStride, x + two * xStride, x + three * xStride, x + four * xStride,
        scales + one * side, scales + two * side, scales + three * side, scales + four * side,
        starts + one * startStride, starts + two * startStride, starts + three * startStride, starts + four * startStride,
        factors, reals, scratch + TILE_A + (one << 6), scratch + DOTS,
      );
    }
    const blocks = <usize>((channels + walk.block - 1) / walk.block);
    x += 2 * <usize>channels;
    starts += <usize>subs << 2;
    scales += blocks << 2;
    factors += <usize>subs * 64;
    reals += blocks * walk.realStep;
  }
}
