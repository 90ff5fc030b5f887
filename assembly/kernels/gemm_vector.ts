import { actBytes, fold, mac } from '../lib/dot';
import { N0, N12, N4, N8 } from '../lib/literal';
import { part, stepBytes, wide } from '../lib/parts';
import { Walk } from '../lib/walk';
import { SUB } from './gemm_sub';

@inline function finish(a: v128, dot: v128, scale: v128): v128 { return f32x4.add(a, f32x4.mul(f32x4.convert_i32x4_s(dot), scale)); }

/** 16 rows by 1 token over `channels`: as `tile2x16`, with all sums in registers. */
export function tile1x16<P, B>(walk: Walk, channels: i32, w: usize, x: usize, scales: usize, factors: usize, reals: usize, tile: usize): void {
  const nibble = v128.load(walk.masks), top = v128.load(walk.masks, 16), none = i32x4.splat(0);
  const header = walk.header, planes = <usize>walk.planes, block = walk.block, foldChannels = walk.foldChannels, realStep = walk.realStep;
  let a0 = none, a1 = none, a2 = none, a3 = none;
  for (let left = channels; left > 0; left -= foldChannels) {
    let c0 = none, c1 = none, c2 = none, c3 = none;
    for (let rest = min(left, foldChannels); rest > 0; rest -= block) {
      w += header;
      for (let span = min(rest, block); span > 0; span -= SUB) {
        const from = w, begin = x, end = x + <usize>min(span, SUB) * actBytes<P>();
        for (let plane: usize = 0; plane < planes; plane++) {
          if (plane) {
            x = begin;
            if (offsetof<B>() == 8) w = from + 16;
          }
          let p0 = none, p1 = none, p2 = none, p3 = none, s: v128;
          for (; x < end; x += 16) {
            s = v128.load32_splat(x, 0);
            p0 = mac<P>(p0, part<P, B, N0, N0>(w, nibble, top), s); p1 = mac<P>(p1, part<P, B, N4, N0>(w, nibble, top), s);
            p2 = mac<P>(p2, part<P, B, N8, N0>(w, nibble, top), s); p3 = mac<P>(p3, part<P, B, N12, N0>(w, nibble, top), s);
            s = v128.load32_splat(x, 4);
            p0 = mac<P>(p0, part<P, B, N0, N4>(w, nibble, top), s); p1 = mac<P>(p1, part<P, B, N4, N4>(w, nibble, top), s);
            p2 = mac<P>(p2, part<P, B, N8, N4>(w, nibble, top), s); p3 = mac<P>(p3, part<P, B, N12, N4>(w, nibble, top), s);
            if (sizeof<P>() == 2 && wide<B>()) {
              c0 = fold<P>(c0, p0, v128.load(factors)); c1 = fold<P>(c1, p1, v128.load(factors, 16));
              c2 = fold<P>(c2, p2, v128.load(factors, 32)); c3 = fold<P>(c3, p3, v128.load(factors, 48));
              p0 = none; p1 = none; p2 = none; p3 = none;
            }
            s = v128.load32_splat(x, 8);
            p0 = mac<P>(p0, part<P, B, N0, N8>(w, nibble, top), s); p1 = mac<P>(p1, part<P, B, N4, N8>(w, nibble, top), s);
            p2 = mac<P>(p2, part<P, B, N8, N8>(w, nibble, top), s); p3 = mac<P>(p3, part<P, B, N12, N8>(w, nibble, top), s);
            s = v128.load32_splat(x, 12);
            p0 = mac<P>(p0, part<P, B, N0, N12>(w, nibble, top), s); p1 = mac<P>(p1, part<P, B, N4, N12>(w, nibble, top), s);
            p2 = mac<P>(p2, part<P, B, N8, N12>(w, nibble, top), s); p3 = mac<P>(p3, part<P, B, N12, N12>(w, nibble, top), s);
            if (sizeof<P>() == 2 && wide<B>()) {
              c0 = fold<P>(c0, p0, v128.load(factors)); c1 = fold<P>(c1, p1, v128.load(factors, 16));
              c2 = fold<P>(c2, p2, v128.load(factors, 32)); c3 = fold<P>(c3, p3, v128.load(factors, 48));
              p0 = none; p1 = none; p2 = none; p3 = none;
            }
            w += stepBytes<P, B>();
          }
          c0 = fold<P>(c0, p0, v128.load(factors)); c1 = fold<P>(c1, p1, v128.load(factors, 16));
          c2 = fold<P>(c2, p2, v128.load(factors, 32)); c3 = fold<P>(c3, p3, v128.load(factors, 48));
          factors += 64;
        }
        if (offsetof<B>() == 8) w -= 16;
      }
    }
    const scale = v128.load32_splat(scales);
    if (realStep) {
      a0 = finish(a0, c0, f32x4.mul(v128.load(reals), scale)); a1 = finish(a1, c1, f32x4.mul(v128.load(reals, 16), scale));
      a2 = finish(a2, c2, f32x4.mul(v128.load(reals, 32), scale)); a3 = finish(a3, c3, f32x4.mul(v128.load(reals, 48), scale));
      reals += realStep;
    } else {
      a0 = finish(a0, c0, scale); a1 = finish(a1, c1, scale); a2 = finish(a2, c2, scale); a3 = finish(a3, c3, scale);
    }
    scales += walk.scaleStep;
  }
  v128.store(tile, a0); v128.store(tile, a1, 16); v128.store(tile, a2, 32); v128.store(tile, a3, 48);
}
