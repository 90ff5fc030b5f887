import { actBytes, fold, mac } from '../lib/dot';
import { N0, N12, N4, N8 } from '../lib/literal';
import { part, quadBytes, stepBytes, stepChannels, wide } from '../lib/parts';
import { Walk } from '../lib/walk';

/*
 * 8 rows by 4 tokens over a run of channels. Sums p of a sub-block of at most 32 channels stay in registers; they move to i32 sums in memory with
 * the block's integer factor; after every fold A[t][row] += f32(sum) * scale[t], or * (s[row] * scale[t]) where the blocks have real scales.
 *
 * Why sums fit: i16 pair sums are at most 2 * 15 * 127 = 3810, so 8 of them do, 32 channels. With codes up to 63, 2 * 63 * 127 = 16002:
 * two do, 8 channels. The i32 sum of a fold of 128 channels of u8 codes is at most 128 * 255 * 127 * 255 < 2^31.
 */

const ACROSS: usize = 64; // bytes between tokens in tile A
export const SUB: i32 = 32;

@inline function flush<P>(at: usize, partial: v128, factor: v128): void { v128.store(at, fold<P>(v128.load(at), partial, factor)); }

/** A += f32(dot) * scale for the 2 quads of a token. */
@inline function addDots(dots: usize, tile: usize, reals: usize, scales: usize): void {
  const scale = v128.load32_splat(scales);
  const a = f32x4.convert_i32x4_s(v128.load(dots)), b = f32x4.convert_i32x4_s(v128.load(dots, 64));
  const s = reals ? f32x4.mul(v128.load(reals), scale) : scale, t = reals ? f32x4.mul(v128.load(reals, 16), scale) : scale;
  v128.store(tile, f32x4.add(v128.load(tile), f32x4.mul(a, s)));
  v128.store(tile, f32x4.add(v128.load(tile, 16), f32x4.mul(b, t)), 16);
}

/**
 * `w`: the first of two quads. x, scales: token 0's activations and scales; tokens 1 to 3 lie x1..x3 and y1..y3 bytes further. `factors`, `reals`
 * (0: none) and `tile` point at the quads' lanes. `dots`: 8 vectors of scratch.
 */
@inline export function tile4x8<P, B>(
  walk: Walk, channels: i32, w: usize, x: usize, x1: usize, x2: usize, x3: usize, scales: usize, y1: usize, y2: usize, y3: usize,
  factors: usize, reals: usize, tile: usize, dots: usize,
): void {
  const nibble = v128.load(walk.masks), top = v128.load(walk.masks, 16), none = i32x4.splat(0);
  const quad = quadBytes<B>(), header = walk.header, planes = <usize>walk.planes;
  for (let left = channels; left > 0; left -= walk.foldChannels) {
    for (let i: usize = 0; i < 128; i += 16) v128.store(dots + i, none);
    for (let rest = min(left, walk.foldChannels); rest > 0; rest -= walk.block) {
      w += header;
      for (let span = min(rest, walk.block); span > 0; span -= SUB) {
        const sub = min(span, SUB), bytes = <usize>sub * actBytes<P>(), codes = <usize>(sub / stepChannels<P>()) * stepBytes<P, B>();
        for (let plane: usize = 0; plane < planes; plane++) {
          const f = factors + plane * 64;
          let v = offsetof<B>() == 8 ? w + plane * 16 : w;
          let p0 = none, p1 = none, p2 = none, p3 = none, q0 = none, q1 = none, q2 = none, q3 = none;
          for (let a = x, end = x + bytes; a < end; a += 16, v += stepBytes<P, B>()) {
            let u = part<P, B, N0>(v, nibble, top), t = part<P, B, N0>(v + quad, nibble, top);
            let s = v128.load32_splat(a); p0 = mac<P>(p0, u, s); q0 = mac<P>(q0, t, s);
            s = v128.load32_splat(a + x1); p1 = mac<P>(p1, u, s); q1 = mac<P>(q1, t, s);
            s = v128.load32_splat(a + x2); p2 = mac<P>(p2, u, s); q2 = mac<P>(q2, t, s);
            s = v128.load32_splat(a + x3); p3 = mac<P>(p3, u, s); q3 = mac<P>(q3, t, s);
            u = part<P, B, N4>(v, nibble, top); t = part<P, B, N4>(v + quad, nibble, top);
            s = v128.load32_splat(a, 4); p0 = mac<P>(p0, u, s); q0 = mac<P>(q0, t, s);
            s = v128.load32_splat(a + x1, 4); p1 = mac<P>(p1, u, s); q1 = mac<P>(q1, t, s);
            s = v128.load32_splat(a + x2, 4); p2 = mac<P>(p2, u, s); q2 = mac<P>(q2, t, s);
            s = v128.load32_splat(a + x3, 4); p3 = mac<P>(p3, u, s); q3 = mac<P>(q3, t, s);
            if (sizeof<P>() == 2 && wide<B>()) {
              const g = v128.load(f), h = v128.load(f, 16);
              flush<P>(dots, p0, g); flush<P>(dots + 16, p1, g); flush<P>(dots + 32, p2, g); flush<P>(dots + 48, p3, g);
              flush<P>(dots + 64, q0, h); flush<P>(dots + 80, q1, h); flush<P>(dots + 96, q2, h); flush<P>(dots + 112, q3, h);
              p0 = none; p1 = none; p2 = none; p3 = none; q0 = none; q1 = none; q2 = none; q3 = none;
            }
            u = part<P, B, N8>(v, nibble, top); t = part<P, B, N8>(v + quad, nibble, top);
            s = v128.load32_splat(a, 8); p0 = mac<P>(p0, u, s); q0 = mac<P>(q0, t, s);
            s = v128.load32_splat(a + x1, 8); p1 = mac<P>(p1, u, s); q1 = mac<P>(q1, t, s);
            s = v128.load32_splat(a + x2, 8); p2 = mac<P>(p2, u, s); q2 = mac<P>(q2, t, s);
            s = v128.load32_splat(a + x3, 8); p3 = mac<P>(p3, u, s); q3 = mac<P>(q3, t, s);
            u = part<P, B, N12>(v, nibble, top); t = part<P, B, N12>(v + quad, nibble, top);
            s = v128.load32_splat(a, 12); p0 = mac<P>(p0, u, s); q0 = mac<P>(q0, t, s);
            s = v128.load32_splat(a + x1, 12); p1 = mac<P>(p1, u, s); q1 = mac<P>(q1, t, s);
            s = v128.load32_splat(a + x2, 12); p2 = mac<P>(p2, u, s); q2 = mac<P>(q2, t, s);
            s = v128.load32_splat(a + x3, 12); p3 = mac<P>(p3, u, s); q3 = mac<P>(q3, t, s);
            if (sizeof<P>() == 2 && wide<B>()) {
              const g = v128.load(f), h = v128.load(f, 16);
              flush<P>(dots, p0, g); flush<P>(dots + 16, p1, g); flush<P>(dots + 32, p2, g); flush<P>(dots + 48, p3, g);
              flush<P>(dots + 64, q0, h); flush<P>(dots + 80, q1, h); flush<P>(dots + 96, q2, h); flush<P>(dots + 112, q3, h);
              p0 = none; p1 = none; p2 = none; p3 = none; q0 = none; q1 = none; q2 = none; q3 = none;
            }
          }
          if (sizeof<P>() != 2 || !wide<B>()) {
            const g = v128.load(f), h = v128.load(f, 16);
            flush<P>(dots, p0, g); flush<P>(dots + 16, p1, g); flush<P>(dots + 32, p2, g); flush<P>(dots + 48, p3, g);
            flush<P>(dots + 64, q0, h); flush<P>(dots + 80, q1, h); flush<P>(dots + 96, q2, h); flush<P>(dots + 112, q3, h);
          }
          if (offsetof<B>() >= 16) w += codes;
        }
        if (offsetof<B>() < 16) w += codes;
        x += bytes;
      }
      factors += walk.factorStep;
    }
    addDots(dots, tile, reals, scales);
    addDots(dots + 16, tile + ACROSS, reals, scales + y1);
    addDots(dots + 32, tile + 2 * ACROSS, reals, scales + y2);
    addDots(dots + 48, tile + 3 * ACROSS, reals, scales + y3);
    scales += walk.scaleStep;
    if (reals) reals += 64;
  }
}
