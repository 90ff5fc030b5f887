import { dot, fold, mac, scaled } from '../lib/dot';
import { N0, N12, N4, N8 } from '../lib/literal';
import { part, stepBytes, wide } from '../lib/parts';

/*
 * A sub-block: 16 rows by 2 tokens by 32 channels. Sums stay in registers (p: first token, q: second, one for each quad of rows) and then move to the i32
 * sums of the fold with the sub-block's integer factor; the last of a fold adds f32(sum) * scale[t] to A[t][row], or * (s[row] * scale[t]) where blocks
 * have real scales.
 *
 * Why sums fit: i16 pair sums are at most 2 * 15 * 127 = 3810, so 8 of them do, 32 channels. With codes up to 63, 2 * 63 * 127 = 16002:
 * two do, 8 channels. The i32 sum of a fold, at most 128 channels, is at most 128 * 255 * 127 * 255 < 2^31 with u8 codes; longer activation blocks are
 * added fold by fold in f32.
 *
 * The order of the statements is the order of the machine code, and 8 sums, 2 activations, a weight and a product are what 16 registers hold. A splatted
 * load costs more than a plain one, which is why a tile is 4 weights by 2 tokens and not 2 by 4 (80 and 99 GMAC/s without what follows the dots). It is
 * straight code, for a loop would cost as much as its dots.
 */

/** Channels of a sub-block. */
export const SUB: i32 = 32;

/** The sum after a place where sums of wide codes move on, and so start again. */
@inline function next<P, B>(acc: v128, w: v128, x: v128): v128 { return sizeof<P>() == 2 && wide<B>() ? dot<P>(w, x) : mac<P>(acc, w, x); }

/** The new A. */
@inline function finish(a: v128, dot: v128, scale: v128): v128 { return f32x4.add(a, f32x4.mul(f32x4.convert_i32x4_s(dot), scale)); }

/**
 * x0, x1, y0, y1: activations and scales of the tokens. `before`: the fold's sums so far, or zeros; `dots`: where they go. Place in the fold M: N0, the
 * first of several; N4, the last of several, without real scales; N8: `last` and `before` tell, and `reals` is 0 where there are none.
 */
@inline export function subBlock<P, B, M>(
  w: usize, x0: usize, x1: usize, nibble: v128, top: v128, factors: usize, before: usize, dots: usize, last: bool,
  y0: usize, y1: usize, reals: usize, tile: usize,
): void {
  let p0: v128, p1: v128, p2: v128, p3: v128, q0: v128, q1: v128, q2: v128, q3: v128, u: v128, s: v128, r: v128;
  s = v128.load32_splat(x0, 0); r = v128.load32_splat(x1, 0);
  u = part<P, B, N0, N0>(w, nibble, top); p0 = dot<P>(u, s); q0 = dot<P>(u, r);
  u = part<P, B, N4, N0>(w, nibble, top); p1 = dot<P>(u, s); q1 = dot<P>(u, r);
  u = part<P, B, N8, N0>(w, nibble, top); p2 = dot<P>(u, s); q2 = dot<P>(u, r);
  u = part<P, B, N12, N0>(w, nibble, top); p3 = dot<P>(u, s); q3 = dot<P>(u, r);
  s = v128.load32_splat(x0, 4); r = v128.load32_splat(x1, 4);
  u = part<P, B, N0, N4>(w, nibble, top); p0 = mac<P>(p0, u, s); q0 = mac<P>(q0, u, r);
  u = part<P, B, N4, N4>(w, nibble, top); p1 = mac<P>(p1, u, s); q1 = mac<P>(q1, u, r);
  u = part<P, B, N8, N4>(w, nibble, top); p2 = mac<P>(p2, u, s); q2 = mac<P>(q2, u, r);
  u = part<P, B, N12, N4>(w, nibble, top); p3 = mac<P>(p3, u, s); q3 = mac<P>(q3, u, r);
  if (sizeof<P>() == 2 && wide<B>()) {
    v128.store(dots, fold<P>(v128.load(dots), p0, v128.load(factors)));
    v128.store(dots, fold<P>(v128.load(dots, 16), p1, v128.load(factors, 16)), 16);
    v128.store(dots, fold<P>(v128.load(dots, 32), p2, v128.load(factors, 32)), 32);
    v128.store(dots, fold<P>(v128.load(dots, 48), p3, v128.load(factors, 48)), 48);
    v128.store(dots, fold<P>(v128.load(dots, 64), q0, v128.load(factors)), 64);
    v128.store(dots, fold<P>(v128.load(dots, 80), q1, v128.load(factors, 16)), 80);
    v128.store(dots, fold<P>(v128.load(dots, 96), q2, v128.load(factors, 32)), 96);
    v128.store(dots, fold<P>(v128.load(dots, 112), q3, v128.load(factors, 48)), 112);
  }
  s = v128.load32_splat(x0, 8); r = v128.load32_splat(x1, 8);
  u = part<P, B, N0, N8>(w, nibble, top); p0 = next<P, B>(p0, u, s); q0 = next<P, B>(q0, u, r);
  u = part<P, B, N4, N8>(w, nibble, top); p1 = next<P, B>(p1, u, s); q1 = next<P, B>(q1, u, r);
  u = part<P, B, N8, N8>(w, nibble, top); p2 = next<P, B>(p2, u, s); q2 = next<P, B>(q2, u, r);
  u = part<P, B, N12, N8>(w, nibble, top); p3 = next<P, B>(p3, u, s); q3 = next<P, B>(q3, u, r);
  s = v128.load32_splat(x0, 12); r = v128.load32_splat(x1, 12);
  u = part<P, B, N0, N12>(w, nibble, top); p0 = mac<P>(p0, u, s); q0 = mac<P>(q0, u, r);
  u = part<P, B, N4, N12>(w, nibble, top); p1 = mac<P>(p1, u, s); q1 = mac<P>(q1, u, r);
  u = part<P, B, N8, N12>(w, nibble, top); p2 = mac<P>(p2, u, s); q2 = mac<P>(q2, u, r);
  u = part<P, B, N12, N12>(w, nibble, top); p3 = mac<P>(p3, u, s); q3 = mac<P>(q3, u, r);
  if (sizeof<P>() == 2 && wide<B>()) {
    v128.store(dots, fold<P>(v128.load(dots), p0, v128.load(factors)));
    v128.store(dots, fold<P>(v128.load(dots, 16), p1, v128.load(factors, 16)), 16);
    v128.store(dots, fold<P>(v128.load(dots, 32), p2, v128.load(factors, 32)), 32);
    v128.store(dots, fold<P>(v128.load(dots, 48), p3, v128.load(factors, 48)), 48);
    v128.store(dots, fold<P>(v128.load(dots, 64), q0, v128.load(factors)), 64);
    v128.store(dots, fold<P>(v128.load(dots, 80), q1, v128.load(factors, 16)), 80);
    v128.store(dots, fold<P>(v128.load(dots, 96), q2, v128.load(factors, 32)), 96);
    v128.store(dots, fold<P>(v128.load(dots, 112), q3, v128.load(factors, 48)), 112);
  }
  w += stepBytes<P, B>();
  s = v128.load32_splat(x0, 16); r = v128.load32_splat(x1, 16);
  u = part<P, B, N0, N0>(w, nibble, top); p0 = next<P, B>(p0, u, s); q0 = next<P, B>(q0, u, r);
  u = part<P, B, N4, N0>(w, nibble, top); p1 = next<P, B>(p1, u, s); q1 = next<P, B>(q1, u, r);
  u = part<P, B, N8, N0>(w, nibble, top); p2 = next<P, B>(p2, u, s); q2 = next<P, B>(q2, u, r);
  u = part<P, B, N12, N0>(w, nibble, top); p3 = next<P, B>(p3, u, s); q3 = next<P, B>(q3, u, r);
  s = v128.load32_splat(x0, 20); r = v128.load32_splat(x1, 20);
  u = part<P, B, N0, N4>(w, nibble, top); p0 = mac<P>(p0, u, s); q0 = mac<P>(q0, u, r);
  u = part<P, B, N4, N4>(w, nibble, top); p1 = mac<P>(p1, u, s); q1 = mac<P>(q1, u, r);
  u = part<P, B, N8, N4>(w, nibble, top); p2 = mac<P>(p2, u, s); q2 = mac<P>(q2, u, r);
  u = part<P, B, N12, N4>(w, nibble, top); p3 = mac<P>(p3, u, s); q3 = mac<P>(q3, u, r);
  if (sizeof<P>() == 2 && wide<B>()) {
    v128.store(dots, fold<P>(v128.load(dots), p0, v128.load(factors)));
    v128.store(dots, fold<P>(v128.load(dots, 16), p1, v128.load(factors, 16)), 16);
    v128.store(dots, fold<P>(v128.load(dots, 32), p2, v128.load(factors, 32)), 32);
    v128.store(dots, fold<P>(v128.load(dots, 48), p3, v128.load(factors, 48)), 48);
    v128.store(dots, fold<P>(v128.load(dots, 64), q0, v128.load(factors)), 64);
    v128.store(dots, fold<P>(v128.load(dots, 80), q1, v128.load(factors, 16)), 80);
    v128.store(dots, fold<P>(v128.load(dots, 96), q2, v128.load(factors, 32)), 96);
    v128.store(dots, fold<P>(v128.load(dots, 112), q3, v128.load(factors, 48)), 112);
  }
  s = v128.load32_splat(x0, 24); r = v128.load32_splat(x1, 24);
  u = part<P, B, N0, N8>(w, nibble, top); p0 = next<P, B>(p0, u, s); q0 = next<P, B>(q0, u, r);
  u = part<P, B, N4, N8>(w, nibble, top); p1 = next<P, B>(p1, u, s); q1 = next<P, B>(q1, u, r);
  u = part<P, B, N8, N8>(w, nibble, top); p2 = next<P, B>(p2, u, s); q2 = next<P, B>(q2, u, r);
  u = part<P, B, N12, N8>(w, nibble, top); p3 = next<P, B>(p3, u, s); q3 = next<P, B>(q3, u, r);
  s = v128.load32_splat(x0, 28); r = v128.load32_splat(x1, 28);
  u = part<P, B, N0, N12>(w, nibble, top); p0 = mac<P>(p0, u, s); q0 = mac<P>(q0, u, r);
  u = part<P, B, N4, N12>(w, nibble, top); p1 = mac<P>(p1, u, s); q1 = mac<P>(q1, u, r);
  u = part<P, B, N8, N12>(w, nibble, top); p2 = mac<P>(p2, u, s); q2 = mac<P>(q2, u, r);
  u = part<P, B, N12, N12>(w, nibble, top); p3 = mac<P>(p3, u, s); q3 = mac<P>(q3, u, r);
  w += stepBytes<P, B>();
  if (sizeof<P>() == 1) {
    s = v128.load32_splat(x0, 32); r = v128.load32_splat(x1, 32);
    u = part<P, B, N0, N0>(w, nibble, top); p0 = mac<P>(p0, u, s); q0 = mac<P>(q0, u, r);
    u = part<P, B, N4, N0>(w, nibble, top); p1 = mac<P>(p1, u, s); q1 = mac<P>(q1, u, r);
    u = part<P, B, N8, N0>(w, nibble, top); p2 = mac<P>(p2, u, s); q2 = mac<P>(q2, u, r);
    u = part<P, B, N12, N0>(w, nibble, top); p3 = mac<P>(p3, u, s); q3 = mac<P>(q3, u, r);
    s = v128.load32_splat(x0, 36); r = v128.load32_splat(x1, 36);
    u = part<P, B, N0, N4>(w, nibble, top); p0 = mac<P>(p0, u, s); q0 = mac<P>(q0, u, r);
    u = part<P, B, N4, N4>(w, nibble, top); p1 = mac<P>(p1, u, s); q1 = mac<P>(q1, u, r);
    u = part<P, B, N8, N4>(w, nibble, top); p2 = mac<P>(p2, u, s); q2 = mac<P>(q2, u, r);
    u = part<P, B, N12, N4>(w, nibble, top); p3 = mac<P>(p3, u, s); q3 = mac<P>(q3, u, r);
    s = v128.load32_splat(x0, 40); r = v128.load32_splat(x1, 40);
    u = part<P, B, N0, N8>(w, nibble, top); p0 = mac<P>(p0, u, s); q0 = mac<P>(q0, u, r);
    u = part<P, B, N4, N8>(w, nibble, top); p1 = mac<P>(p1, u, s); q1 = mac<P>(q1, u, r);
    u = part<P, B, N8, N8>(w, nibble, top); p2 = mac<P>(p2, u, s); q2 = mac<P>(q2, u, r);
    u = part<P, B, N12, N8>(w, nibble, top); p3 = mac<P>(p3, u, s); q3 = mac<P>(q3, u, r);
    s = v128.load32_splat(x0, 44); r = v128.load32_splat(x1, 44);
    u = part<P, B, N0, N12>(w, nibble, top); p0 = mac<P>(p0, u, s); q0 = mac<P>(q0, u, r);
    u = part<P, B, N4, N12>(w, nibble, top); p1 = mac<P>(p1, u, s); q1 = mac<P>(q1, u, r);
    u = part<P, B, N8, N12>(w, nibble, top); p2 = mac<P>(p2, u, s); q2 = mac<P>(q2, u, r);
    u = part<P, B, N12, N12>(w, nibble, top); p3 = mac<P>(p3, u, s); q3 = mac<P>(q3, u, r);
    w += stepBytes<P, B>();
    s = v128.load32_splat(x0, 48); r = v128.load32_splat(x1, 48);
    u = part<P, B, N0, N0>(w, nibble, top); p0 = mac<P>(p0, u, s); q0 = mac<P>(q0, u, r);
    u = part<P, B, N4, N0>(w, nibble, top); p1 = mac<P>(p1, u, s); q1 = mac<P>(q1, u, r);
    u = part<P, B, N8, N0>(w, nibble, top); p2 = mac<P>(p2, u, s); q2 = mac<P>(q2, u, r);
    u = part<P, B, N12, N0>(w, nibble, top); p3 = mac<P>(p3, u, s); q3 = mac<P>(q3, u, r);
    s = v128.load32_splat(x0, 52); r = v128.load32_splat(x1, 52);
    u = part<P, B, N0, N4>(w, nibble, top); p0 = mac<P>(p0, u, s); q0 = mac<P>(q0, u, r);
    u = part<P, B, N4, N4>(w, nibble, top); p1 = mac<P>(p1, u, s); q1 = mac<P>(q1, u, r);
    u = part<P, B, N8, N4>(w, nibble, top); p2 = mac<P>(p2, u, s); q2 = mac<P>(q2, u, r);
    u = part<P, B, N12, N4>(w, nibble, top); p3 = mac<P>(p3, u, s); q3 = mac<P>(q3, u, r);
    s = v128.load32_splat(x0, 56); r = v128.load32_splat(x1, 56);
    u = part<P, B, N0, N8>(w, nibble, top); p0 = mac<P>(p0, u, s); q0 = mac<P>(q0, u, r);
    u = part<P, B, N4, N8>(w, nibble, top); p1 = mac<P>(p1, u, s); q1 = mac<P>(q1, u, r);
    u = part<P, B, N8, N8>(w, nibble, top); p2 = mac<P>(p2, u, s); q2 = mac<P>(q2, u, r);
    u = part<P, B, N12, N8>(w, nibble, top); p3 = mac<P>(p3, u, s); q3 = mac<P>(q3, u, r);
    s = v128.load32_splat(x0, 60); r = v128.load32_splat(x1, 60);
    u = part<P, B, N0, N12>(w, nibble, top); p0 = mac<P>(p0, u, s); q0 = mac<P>(q0, u, r);
    u = part<P, B, N4, N12>(w, nibble, top); p1 = mac<P>(p1, u, s); q1 = mac<P>(q1, u, r);
    u = part<P, B, N8, N12>(w, nibble, top); p2 = mac<P>(p2, u, s); q2 = mac<P>(q2, u, r);
    u = part<P, B, N12, N12>(w, nibble, top); p3 = mac<P>(p3, u, s); q3 = mac<P>(q3, u, r);
    w += stepBytes<P, B>();
  }
  const g0 = v128.load(factors), g1 = v128.load(factors, 16), g2 = v128.load(factors, 32), g3 = v128.load(factors, 48);
  if (offsetof<M>() == 0 || offsetof<M>() == 8 && !last && before != dots) {
    v128.store(dots, scaled<P>(p0, g0));
    v128.store(dots, scaled<P>(p1, g1), 16);
    v128.store(dots, scaled<P>(p2, g2), 32);
    v128.store(dots, scaled<P>(p3, g3), 48);
    v128.store(dots, scaled<P>(q0, g0), 64);
    v128.store(dots, scaled<P>(q1, g1), 80);
    v128.store(dots, scaled<P>(q2, g2), 96);
    v128.store(dots, scaled<P>(q3, g3), 112);
  } else if (offsetof<M>() == 8 && !last) {
    v128.store(dots, fold<P>(v128.load(dots), p0, g0));
    v128.store(dots, fold<P>(v128.load(dots, 16), p1, g1), 16);
    v128.store(dots, fold<P>(v128.load(dots, 32), p2, g2), 32);
    v128.store(dots, fold<P>(v128.load(dots, 48), p3, g3), 48);
    v128.store(dots, fold<P>(v128.load(dots, 64), q0, g0), 64);
    v128.store(dots, fold<P>(v128.load(dots, 80), q1, g1), 80);
    v128.store(dots, fold<P>(v128.load(dots, 96), q2, g2), 96);
    v128.store(dots, fold<P>(v128.load(dots, 112), q3, g3), 112);
  } else {
    const a = v128.load32_splat(y0), b = v128.load32_splat(y1);
    if (offsetof<M>() == 8 && reals) {
      v128.store(tile, finish(v128.load(tile), fold<P>(v128.load(before), p0, g0), f32x4.mul(v128.load(reals), a)));
      v128.store(tile, finish(v128.load(tile, 16), fold<P>(v128.load(before, 16), p1, g1), f32x4.mul(v128.load(reals, 16), a)), 16);
      v128.store(tile, finish(v128.load(tile, 32), fold<P>(v128.load(before, 32), p2, g2), f32x4.mul(v128.load(reals, 32), a)), 32);
      v128.store(tile, finish(v128.load(tile, 48), fold<P>(v128.load(before, 48), p3, g3), f32x4.mul(v128.load(reals, 48), a)), 48);
      v128.store(tile, finish(v128.load(tile, 64), fold<P>(v128.load(before, 64), q0, g0), f32x4.mul(v128.load(reals), b)), 64);
      v128.store(tile, finish(v128.load(tile, 80), fold<P>(v128.load(before, 80), q1, g1), f32x4.mul(v128.load(reals, 16), b)), 80);
      v128.store(tile, finish(v128.load(tile, 96), fold<P>(v128.load(before, 96), q2, g2), f32x4.mul(v128.load(reals, 32), b)), 96);
      v128.store(tile, finish(v128.load(tile, 112), fold<P>(v128.load(before, 112), q3, g3), f32x4.mul(v128.load(reals, 48), b)), 112);
    } else {
      v128.store(tile, finish(v128.load(tile), fold<P>(v128.load(before), p0, g0), a));
      v128.store(tile, finish(v128.load(tile, 16), fold<P>(v128.load(before, 16), p1, g1), a), 16);
      v128.store(tile, finish(v128.load(tile, 32), fold<P>(v128.load(before, 32), p2, g2), a), 32);
      v128.store(tile, finish(v128.load(tile, 48), fold<P>(v128.load(before, 48), p3, g3), a), 48);
      v128.store(tile, finish(v128.load(tile, 64), fold<P>(v128.load(before, 64), q0, g0), b), 64);
      v128.store(tile, finish(v128.load(tile, 80), fold<P>(v128.load(before, 80), q1, g1), b), 80);
      v128.store(tile, finish(v128.load(tile, 96), fold<P>(v128.load(before, 96), q2, g2), b), 96);
      v128.store(tile, finish(v128.load(tile, 112), fold<P>(v128.load(before, 112), q3, g3), b), 112);
    }
  }
}
