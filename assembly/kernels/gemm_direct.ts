import { actBytes, dot, fold, mac } from '../lib/dot';
import { bytePairs, offsetPair, quadFactor } from '../lib/header';
import { N0, N4, N8 } from '../lib/literal';
import { Walk } from '../lib/walk';
import { SUB } from './gemm_sub';

/*
 * 16 rows by 1 token of u4, or u6 on the relaxed paths, with two-level scales or one per row and no zero points, in whole sub-blocks: one linear walk over
 * the packed panel, in which headers are read where they lie. The same sums as `tile2x16` and `pairedOffsets`.
 */

@inline function finish(o: v128, sum: v128, scale: v128): v128 { return f32x4.add(o, f32x4.mul(f32x4.convert_i32x4_s(sum), scale)); }

@inline function store4(tile: usize, a: v128, b: v128, c: v128, d: v128): void {
  v128.store(tile, a); v128.store(tile, b, 16); v128.store(tile, c, 32); v128.store(tile, d, 48);
}

/** The scale codes of the block at `w`. */
@inline function codesOfScales(ones: usize, w: usize): v128 { return v128.load(ones ? ones : w); }

/** u4: A of one token. */
export function vectorU4<P>(walk: Walk, channels: i32, w: usize, x: usize, scales: usize, tile: usize): void {
  const nibble = v128.load(walk.masks), none = i32x4.splat(0), ones = walk.ones;
  const headerBytes = walk.header, block = walk.block, foldChannels = walk.foldChannels, scaleStep = walk.scaleStep;
  let a0 = none, a1 = none, a2 = none, a3 = none;
  for (let left = channels; left > 0; left -= foldChannels) {
    let c0 = none, c1 = none, c2 = none, c3 = none;
    for (let rest = min(left, foldChannels); rest > 0; rest -= block) {
      const header = w;
      w += headerBytes;
      for (let span = min(rest, block); span > 0; span -= SUB, w += 256, x += SUB * actBytes<P>()) {
        let p0: v128, p1: v128, p2: v128, p3: v128, v: v128, s: v128, r: v128;
        if (sizeof<P>() == 1) {
          let t: v128, u: v128;
          s = v128.load32_splat(x, 0); r = v128.load32_splat(x, 4); t = v128.load32_splat(x, 8); u = v128.load32_splat(x, 12);
          v = v128.load(w); p0 = mac<P>(dot<P>(v128.and(v, nibble), s), v128.and(i16x8.shr_u(v, 4), nibble), r);
          p0 = mac<P>(mac<P>(p0, v128.and(i16x8.shr_u(v, 8), nibble), t), i16x8.shr_u(v, 12), u);
          v = v128.load(w, 16); p1 = mac<P>(dot<P>(v128.and(v, nibble), s), v128.and(i16x8.shr_u(v, 4), nibble), r);
          p1 = mac<P>(mac<P>(p1, v128.and(i16x8.shr_u(v, 8), nibble), t), i16x8.shr_u(v, 12), u);
          v = v128.load(w, 32); p2 = mac<P>(dot<P>(v128.and(v, nibble), s), v128.and(i16x8.shr_u(v, 4), nibble), r);
          p2 = mac<P>(mac<P>(p2, v128.and(i16x8.shr_u(v, 8), nibble), t), i16x8.shr_u(v, 12), u);
          v = v128.load(w, 48); p3 = mac<P>(dot<P>(v128.and(v, nibble), s), v128.and(i16x8.shr_u(v, 4), nibble), r);
          p3 = mac<P>(mac<P>(p3, v128.and(i16x8.shr_u(v, 8), nibble), t), i16x8.shr_u(v, 12), u);
          s = v128.load32_splat(x, 16); r = v128.load32_splat(x, 20); t = v128.load32_splat(x, 24); u = v128.load32_splat(x, 28);
          v = v128.load(w, 64); p0 = mac<P>(mac<P>(p0, v128.and(v, nibble), s), v128.and(i16x8.shr_u(v, 4), nibble), r);
          p0 = mac<P>(mac<P>(p0, v128.and(i16x8.shr_u(v, 8), nibble), t), i16x8.shr_u(v, 12), u);
          v = v128.load(w, 80); p1 = mac<P>(mac<P>(p1, v128.and(v, nibble), s), v128.and(i16x8.shr_u(v, 4), nibble), r);
          p1 = mac<P>(mac<P>(p1, v128.and(i16x8.shr_u(v, 8), nibble), t), i16x8.shr_u(v, 12), u);
          v = v128.load(w, 96); p2 = mac<P>(mac<P>(p2, v128.and(v, nibble), s), v128.and(i16x8.shr_u(v, 4), nibble), r);
          p2 = mac<P>(mac<P>(p2, v128.and(i16x8.shr_u(v, 8), nibble), t), i16x8.shr_u(v, 12), u);
          v = v128.load(w, 112); p3 = mac<P>(mac<P>(p3, v128.and(v, nibble), s), v128.and(i16x8.shr_u(v, 4), nibble), r);
          p3 = mac<P>(mac<P>(p3, v128.and(i16x8.shr_u(v, 8), nibble), t), i16x8.shr_u(v, 12), u);
          s = v128.load32_splat(x, 32); r = v128.load32_splat(x, 36); t = v128.load32_splat(x, 40); u = v128.load32_splat(x, 44);
          v = v128.load(w, 128); p0 = mac<P>(mac<P>(p0, v128.and(v, nibble), s), v128.and(i16x8.shr_u(v, 4), nibble), r);
          p0 = mac<P>(mac<P>(p0, v128.and(i16x8.shr_u(v, 8), nibble), t), i16x8.shr_u(v, 12), u);
          v = v128.load(w, 144); p1 = mac<P>(mac<P>(p1, v128.and(v, nibble), s), v128.and(i16x8.shr_u(v, 4), nibble), r);
          p1 = mac<P>(mac<P>(p1, v128.and(i16x8.shr_u(v, 8), nibble), t), i16x8.shr_u(v, 12), u);
          v = v128.load(w, 160); p2 = mac<P>(mac<P>(p2, v128.and(v, nibble), s), v128.and(i16x8.shr_u(v, 4), nibble), r);
          p2 = mac<P>(mac<P>(p2, v128.and(i16x8.shr_u(v, 8), nibble), t), i16x8.shr_u(v, 12), u);
          v = v128.load(w, 176); p3 = mac<P>(mac<P>(p3, v128.and(v, nibble), s), v128.and(i16x8.shr_u(v, 4), nibble), r);
          p3 = mac<P>(mac<P>(p3, v128.and(i16x8.shr_u(v, 8), nibble), t), i16x8.shr_u(v, 12), u);
          s = v128.load32_splat(x, 48); r = v128.load32_splat(x, 52); t = v128.load32_splat(x, 56); u = v128.load32_splat(x, 60);
          v = v128.load(w, 192); p0 = mac<P>(mac<P>(p0, v128.and(v, nibble), s), v128.and(i16x8.shr_u(v, 4), nibble), r);
          p0 = mac<P>(mac<P>(p0, v128.and(i16x8.shr_u(v, 8), nibble), t), i16x8.shr_u(v, 12), u);
          v = v128.load(w, 208); p1 = mac<P>(mac<P>(p1, v128.and(v, nibble), s), v128.and(i16x8.shr_u(v, 4), nibble), r);
          p1 = mac<P>(mac<P>(p1, v128.and(i16x8.shr_u(v, 8), nibble), t), i16x8.shr_u(v, 12), u);
          v = v128.load(w, 224); p2 = mac<P>(mac<P>(p2, v128.and(v, nibble), s), v128.and(i16x8.shr_u(v, 4), nibble), r);
          p2 = mac<P>(mac<P>(p2, v128.and(i16x8.shr_u(v, 8), nibble), t), i16x8.shr_u(v, 12), u);
          v = v128.load(w, 240); p3 = mac<P>(mac<P>(p3, v128.and(v, nibble), s), v128.and(i16x8.shr_u(v, 4), nibble), r);
          p3 = mac<P>(mac<P>(p3, v128.and(i16x8.shr_u(v, 8), nibble), t), i16x8.shr_u(v, 12), u);
        } else {
          s = v128.load32_splat(x, 0); r = v128.load32_splat(x, 4);
          v = v128.load(w); p0 = mac<P>(dot<P>(v128.and(v, nibble), s), v128.and(i16x8.shr_u(v, 4), nibble), r);
          v = v128.load(w, 16); p1 = mac<P>(dot<P>(v128.and(v, nibble), s), v128.and(i16x8.shr_u(v, 4), nibble), r);
          v = v128.load(w, 32); p2 = mac<P>(dot<P>(v128.and(v, nibble), s), v128.and(i16x8.shr_u(v, 4), nibble), r);
          v = v128.load(w, 48); p3 = mac<P>(dot<P>(v128.and(v, nibble), s), v128.and(i16x8.shr_u(v, 4), nibble), r);
          s = v128.load32_splat(x, 8); r = v128.load32_splat(x, 12);
          v = v128.load(w, 64); p0 = mac<P>(mac<P>(p0, v128.and(v, nibble), s), v128.and(i16x8.shr_u(v, 4), nibble), r);
          v = v128.load(w, 80); p1 = mac<P>(mac<P>(p1, v128.and(v, nibble), s), v128.and(i16x8.shr_u(v, 4), nibble), r);
          v = v128.load(w, 96); p2 = mac<P>(mac<P>(p2, v128.and(v, nibble), s), v128.and(i16x8.shr_u(v, 4), nibble), r);
          v = v128.load(w, 112); p3 = mac<P>(mac<P>(p3, v128.and(v, nibble), s), v128.and(i16x8.shr_u(v, 4), nibble), r);
          s = v128.load32_splat(x, 16); r = v128.load32_splat(x, 20);
          v = v128.load(w, 128); p0 = mac<P>(mac<P>(p0, v128.and(v, nibble), s), v128.and(i16x8.shr_u(v, 4), nibble), r);
          v = v128.load(w, 144); p1 = mac<P>(mac<P>(p1, v128.and(v, nibble), s), v128.and(i16x8.shr_u(v, 4), nibble), r);
          v = v128.load(w, 160); p2 = mac<P>(mac<P>(p2, v128.and(v, nibble), s), v128.and(i16x8.shr_u(v, 4), nibble), r);
          v = v128.load(w, 176); p3 = mac<P>(mac<P>(p3, v128.and(v, nibble), s), v128.and(i16x8.shr_u(v, 4), nibble), r);
          s = v128.load32_splat(x, 24); r = v128.load32_splat(x, 28);
          v = v128.load(w, 192); p0 = mac<P>(mac<P>(p0, v128.and(v, nibble), s), v128.and(i16x8.shr_u(v, 4), nibble), r);
          v = v128.load(w, 208); p1 = mac<P>(mac<P>(p1, v128.and(v, nibble), s), v128.and(i16x8.shr_u(v, 4), nibble), r);
          v = v128.load(w, 224); p2 = mac<P>(mac<P>(p2, v128.and(v, nibble), s), v128.and(i16x8.shr_u(v, 4), nibble), r);
          v = v128.load(w, 240); p3 = mac<P>(mac<P>(p3, v128.and(v, nibble), s), v128.and(i16x8.shr_u(v, 4), nibble), r);
        }
        v = codesOfScales(ones, header);
        s = i16x8.extend_low_i8x16_u(v); r = i16x8.extend_high_i8x16_u(v);
        c0 = fold<P>(c0, p0, quadFactor<P, N0>(s)); c1 = fold<P>(c1, p1, quadFactor<P, N4>(s));
        c2 = fold<P>(c2, p2, quadFactor<P, N0>(r)); c3 = fold<P>(c3, p3, quadFactor<P, N4>(r));
      }
    }
    const scale = v128.load32_splat(scales);
    a0 = finish(a0, c0, scale); a1 = finish(a1, c1, scale); a2 = finish(a2, c2, scale); a3 = finish(a3, c3, scale);
    scales += scaleStep;
  }
  store4(tile, a0, a1, a2, a3);
}

/** acc + the dots of 8 channels, in i32: two i16 sums of codes up to 63 are as many as fit. */
@inline function pairs<P>(acc: v128, u: v128, s: v128, t: v128, r: v128, ones: v128): v128 {
  if (sizeof<P>() == 4) return mac<P>(mac<P>(acc, u, s), t, r);
  return i32x4.add(acc, i32x4.dot_i16x8_s(mac<P>(dot<P>(u, s), t, r), ones));
}

/** Channels 12..15 of a step, from the top bits of its vectors. */
@inline function last(t: v128, u: v128, v: v128, masks: usize): v128 {
  const a = v128.and(i16x8.shr_u(t, 6), v128.load(masks, 16)), b = v128.and(i16x8.shr_u(u, 4), v128.load(masks, 64));
  return v128.or(v128.or(a, b), v128.and(i16x8.shr_u(v, 2), v128.load(masks, 80)));
}

/** u6: A of one token. */
export function vectorU6<P>(walk: Walk, channels: i32, w: usize, x: usize, scales: usize, tile: usize): void {
  const masks = walk.masks, whole = v128.load(masks), none = i32x4.splat(0), ones = v128.load(masks, 96), unit = walk.ones;
  const headerBytes = walk.header, block = walk.block, foldChannels = walk.foldChannels, scaleStep = walk.scaleStep;
  let a0 = none, a1 = none, a2 = none, a3 = none;
  for (let left = channels; left > 0; left -= foldChannels) {
    let d0 = none, d1 = none, d2 = none, d3 = none;
    for (let rest = min(left, foldChannels); rest > 0; rest -= block) {
      const header = w;
      w += headerBytes;
      let c0 = none, c1 = none, c2 = none, c3 = none;
      for (let span = min(rest, block); span > 0; span -= 16, w += 192, x += 16) {
        const s = v128.load32_splat(x), r = v128.load32_splat(x, 4), y = v128.load32_splat(x, 8), z = v128.load32_splat(x, 12);
        let t: v128, u: v128, v: v128;
        t = v128.load(w); u = v128.load(w, 16); v = v128.load(w, 32);
        c0 = pairs<P>(c0, v128.and(t, whole), s, v128.and(u, whole), r, ones);
        c0 = pairs<P>(c0, v128.and(v, whole), y, last(t, u, v, masks), z, ones);
        t = v128.load(w, 48); u = v128.load(w, 64); v = v128.load(w, 80);
        c1 = pairs<P>(c1, v128.and(t, whole), s, v128.and(u, whole), r, ones);
        c1 = pairs<P>(c1, v128.and(v, whole), y, last(t, u, v, masks), z, ones);
        t = v128.load(w, 96); u = v128.load(w, 112); v = v128.load(w, 128);
        c2 = pairs<P>(c2, v128.and(t, whole), s, v128.and(u, whole), r, ones);
        c2 = pairs<P>(c2, v128.and(v, whole), y, last(t, u, v, masks), z, ones);
        t = v128.load(w, 144); u = v128.load(w, 160); v = v128.load(w, 176);
        c3 = pairs<P>(c3, v128.and(t, whole), s, v128.and(u, whole), r, ones);
        c3 = pairs<P>(c3, v128.and(v, whole), y, last(t, u, v, masks), z, ones);
      }
      const codes = codesOfScales(unit, header), low = i16x8.extend_low_i8x16_u(codes), high = i16x8.extend_high_i8x16_u(codes);
      d0 = i32x4.add(d0, i32x4.mul(c0, quadFactor<i32, N0>(low))); d1 = i32x4.add(d1, i32x4.mul(c1, quadFactor<i32, N4>(low)));
      d2 = i32x4.add(d2, i32x4.mul(c2, quadFactor<i32, N0>(high))); d3 = i32x4.add(d3, i32x4.mul(c3, quadFactor<i32, N4>(high)));
    }
    const scale = v128.load32_splat(scales);
    a0 = finish(a0, d0, scale); a1 = finish(a1, d1, scale); a2 = finish(a2, d2, scale); a3 = finish(a3, d3, scale);
    scales += scaleStep;
  }
  store4(tile, a0, a1, a2, a3);
}

/** O of one token, from the headers; `at`: where in a header the bytes lie, `half`: see `offsetPair`. `sums`: pairs (`pairSums`). */
export function vectorOffsets(walk: Walk, channels: i32, w: usize, at: usize, half: i32, scales: usize, sums: usize, tile: usize): void {
  const none = i32x4.splat(0), block = walk.block, foldChannels = walk.foldChannels, scaleStep = walk.scaleStep, packed = walk.packedBlock;
  let o0 = none, o1 = none, o2 = none, o3 = none;
  w += at;
  for (let left = channels; left > 0; left -= foldChannels) {
    const second = left > block && foldChannels > block, a = v128.load(w), b = second ? v128.load(w + packed) : none, s = v128.load32_splat(sums);
    const low = bytePairs<N0>(a, b), high = bytePairs<N8>(a, b);
    let c0 = i32x4.dot_i16x8_s(offsetPair<N0>(low, half), s), c1 = i32x4.dot_i16x8_s(offsetPair<N4>(low, half), s);
    let c2 = i32x4.dot_i16x8_s(offsetPair<N0>(high, half), s), c3 = i32x4.dot_i16x8_s(offsetPair<N4>(high, half), s);
    w += second ? 2 * packed : packed;
    for (let rest = min(left, foldChannels) - 2 * block, z = sums + 8; rest > 0; rest -= 2 * block, z += 8) {
      const c = v128.load(w), d = rest > block ? v128.load(w + packed) : none, r = v128.load32_splat(z);
      const lower = bytePairs<N0>(c, d), higher = bytePairs<N8>(c, d);
      c0 = i32x4.add(c0, i32x4.dot_i16x8_s(offsetPair<N0>(lower, half), r)); c1 = i32x4.add(c1, i32x4.dot_i16x8_s(offsetPair<N4>(lower, half), r));
      c2 = i32x4.add(c2, i32x4.dot_i16x8_s(offsetPair<N0>(higher, half), r)); c3 = i32x4.add(c3, i32x4.dot_i16x8_s(offsetPair<N4>(higher, half), r));
      w += rest > block ? 2 * packed : packed;
    }
    const scale = v128.load32_splat(scales);
    o0 = finish(o0, c0, scale); o1 = finish(o1, c1, scale); o2 = finish(o2, c2, scale); o3 = finish(o3, c3, scale);
    scales += scaleStep; sums += scaleStep;
  }
  store4(tile, o0, o1, o2, o3);
}
