import { actBytes, fold, mac } from '../lib/dot';
import { N0, N12, N4, N8 } from '../lib/literal';
import { part, quadBytes, stepBytes, stepChannels, wide } from '../lib/parts';
import { Walk } from '../lib/walk';
import { SUB } from './gemm_tile';

@inline function addDots(at: usize, dots: v128, reals: usize, scale: v128): void {
  const s = reals ? f32x4.mul(v128.load(reals), scale) : scale;
  v128.store(at, f32x4.add(v128.load(at), f32x4.mul(f32x4.convert_i32x4_s(dots), s)));
}

/** 16 rows by 1 token over a run of channels: as `tile4x8`, with the i32 sums in registers. */
@inline export function tile1x16<P, B>(walk: Walk, channels: i32, w: usize, x: usize, scales: usize, factors: usize, reals: usize, tile: usize): void {
  const nibble = v128.load(walk.masks), top = v128.load(walk.masks, 16), none = i32x4.splat(0);
  const quad = quadBytes<B>(), header = walk.header, planes = <usize>walk.planes;
  for (let left = channels; left > 0; left -= walk.foldChannels) {
    let c0 = none, c1 = none, c2 = none, c3 = none;
    for (let rest = min(left, walk.foldChannels); rest > 0; rest -= walk.block) {
      w += header;
      for (let span = min(rest, walk.block); span > 0; span -= SUB) {
        const sub = min(span, SUB), bytes = <usize>sub * actBytes<P>(), codes = <usize>(sub / stepChannels<P>()) * stepBytes<P, B>();
        for (let plane: usize = 0; plane < planes; plane++) {
          const f = factors + plane * 64;
          let v = offsetof<B>() == 8 ? w + plane * 16 : w;
          let p0 = none, p1 = none, p2 = none, p3 = none;
          for (let a = x, end = x + bytes; a < end; a += 16, v += stepBytes<P, B>()) {
            const v1 = v + quad, v2 = v1 + quad, v3 = v2 + quad;
            let s = v128.load32_splat(a);
            p0 = mac<P>(p0, part<P, B, N0>(v, nibble, top), s); p1 = mac<P>(p1, part<P, B, N0>(v1, nibble, top), s);
            p2 = mac<P>(p2, part<P, B, N0>(v2, nibble, top), s); p3 = mac<P>(p3, part<P, B, N0>(v3, nibble, top), s);
            s = v128.load32_splat(a, 4);
            p0 = mac<P>(p0, part<P, B, N4>(v, nibble, top), s); p1 = mac<P>(p1, part<P, B, N4>(v1, nibble, top), s);
            p2 = mac<P>(p2, part<P, B, N4>(v2, nibble, top), s); p3 = mac<P>(p3, part<P, B, N4>(v3, nibble, top), s);
            if (sizeof<P>() == 2 && wide<B>()) {
              c0 = fold<P>(c0, p0, v128.load(f)); c1 = fold<P>(c1, p1, v128.load(f, 16));
              c2 = fold<P>(c2, p2, v128.load(f, 32)); c3 = fold<P>(c3, p3, v128.load(f, 48));
              p0 = none; p1 = none; p2 = none; p3 = none;
            }
            s = v128.load32_splat(a, 8);
            p0 = mac<P>(p0, part<P, B, N8>(v, nibble, top), s); p1 = mac<P>(p1, part<P, B, N8>(v1, nibble, top), s);
            p2 = mac<P>(p2, part<P, B, N8>(v2, nibble, top), s); p3 = mac<P>(p3, part<P, B, N8>(v3, nibble, top), s);
            s = v128.load32_splat(a, 12);
            p0 = mac<P>(p0, part<P, B, N12>(v, nibble, top), s); p1 = mac<P>(p1, part<P, B, N12>(v1, nibble, top), s);
            p2 = mac<P>(p2, part<P, B, N12>(v2, nibble, top), s); p3 = mac<P>(p3, part<P, B, N12>(v3, nibble, top), s);
            if (sizeof<P>() == 2 && wide<B>()) {
              c0 = fold<P>(c0, p0, v128.load(f)); c1 = fold<P>(c1, p1, v128.load(f, 16));
              c2 = fold<P>(c2, p2, v128.load(f, 32)); c3 = fold<P>(c3, p3, v128.load(f, 48));
              p0 = none; p1 = none; p2 = none; p3 = none;
            }
          }
          if (sizeof<P>() != 2 || !wide<B>()) {
            c0 = fold<P>(c0, p0, v128.load(f)); c1 = fold<P>(c1, p1, v128.load(f, 16));
            c2 = fold<P>(c2, p2, v128.load(f, 32)); c3 = fold<P>(c3, p3, v128.load(f, 48));
          }
          if (offsetof<B>() >= 16) w += codes;
        }
        if (offsetof<B>() < 16) w += codes;
        x += bytes;
      }
      factors += walk.factorStep;
    }
    const scale = v128.load32_splat(scales);
    addDots(tile, c0, reals, scale); addDots(tile + 16, c1, reals ? reals + 16 : 0, scale);
    addDots(tile + 32, c2, reals ? reals + 32 : 0, scale); addDots(tile + 48, c3, reals ? reals + 48 : 0, scale);
    scales += walk.scaleStep;
    if (reals) reals += 64;
  }
}
