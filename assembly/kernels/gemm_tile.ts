import { codeStep, quadBytes, unpack } from '../lib/codes';
import { mac, stepBytes } from '../lib/dot';
import { N0, N12, N4, N8 } from '../lib/literal';

/*
 * One block of K for a tile of rows and tokens: integer dot products in registers, then
 *   tile[t][row] += (s[row] * f32(dot) + m[row] * f32(sum[t])) * scale[t]
 * with separate f32 operations. P is the path (lib/dot.ts), B the weight format (lib/codes.ts).
 *
 * The i16 path adds pair sums of at most 2 * 15 * 127 = 3810 (u4, and each plane of u8): 8 of them fit, 32 channels. For u6, 2 * 63 * 127 = 16002:
 * 2 fit, 8 channels. With A4 (`narrow`) they are at most 2 * 63 * 7 = 882: 37 fit, so a whole block of 128 channels (32 sums) does.
 */

const ACROSS: usize = 64; // bytes between tokens in the accumulator tile [t][16]

/** Moves i16 partial sums into the i32 sums. */
@inline function flush(c: v128, p: v128): v128 { return i32x4.add(c, i32x4.extadd_pairwise_i16x8_s(p)); }

/** tile += (s * f32(dot) + m * sum) * scale for 4 rows; `sum` and `scale` are the token's. */
@inline function fold(dot: v128, tile: usize, s: v128, m: v128, sum: v128, scale: v128): void {
  const value = f32x4.add(f32x4.mul(s, f32x4.convert_i32x4_s(dot)), f32x4.mul(m, sum));
  v128.store(tile, f32x4.add(v128.load(tile), f32x4.mul(value, scale)));
}

/** Two quads of one token. */
@inline function fold2(c: v128, d: v128, tile: usize, s: v128, m: v128, t: v128, n: v128, scales: usize, sums: usize): void {
  const sum = f32x4.convert_i32x4_s(v128.load32_splat(sums)), scale = v128.load32_splat(scales);
  fold(c, tile, s, m, sum, scale);
  fold(d, tile + 16, t, n, sum, scale);
}

@inline function planes<B>(): i32 { return offsetof<B>() == 8 ? 2 : 1; }

/** 8 rows (quads at `w` and behind it) by 4 tokens. `side`: bytes between tokens in `scales` and `sums`; `sm`: 16 scales, then 16 offsets. */
@inline export function tile4x8<P, B>(
  w: usize, a: usize, aStride: usize, length: i32, narrow: bool, nibble: v128, top: v128,
  tile: usize, sm: usize, scales: usize, sums: usize, side: usize,
): void {
  const none = i32x4.splat(0);
  let c0 = none, c1 = none, c2 = none, c3 = none, d0 = none, d1 = none, d2 = none, d3 = none;
  const whole = <usize>(length >> 4) * stepBytes<P>();
  const chunk = sizeof<P>() != 2 || narrow ? whole : min(whole, 2 * stepBytes<P>());
  for (let plane = planes<B>() - 1; plane >= 0; plane--) {
    let v = w + (<usize>plane << 4);
    let p0 = c0, p1 = c1, p2 = c2, p3 = c3, q0 = d0, q1 = d1, q2 = d2, q3 = d3;
    if (planes<B>() == 2 && plane == 0) {
      p0 = i32x4.shl(c0, 4); p1 = i32x4.shl(c1, 4); p2 = i32x4.shl(c2, 4); p3 = i32x4.shl(c3, 4);
      q0 = i32x4.shl(d0, 4); q1 = i32x4.shl(d1, 4); q2 = i32x4.shl(d2, 4); q3 = i32x4.shl(d3, 4);
    }
    if (sizeof<P>() == 2) {
      c0 = p0; c1 = p1; c2 = p2; c3 = p3; d0 = q0; d1 = q1; d2 = q2; d3 = q3;
    }
    for (let x = a, end = a + whole; x < end;) {
      if (sizeof<P>() == 2) {
        p0 = none; p1 = none; p2 = none; p3 = none; q0 = none; q1 = none; q2 = none; q3 = none;
      }
      for (let stop = min(x + chunk, end); x < stop; x += stepBytes<P>(), v += codeStep<B>()) {
        const x1 = x + aStride, x2 = x1 + aStride, x3 = x2 + aStride;
        let u = unpack<B, N0, N0>(v, nibble, top), t = unpack<B, N4, N0>(v, nibble, top);
        p0 = mac<P, N0>(p0, u, x); p1 = mac<P, N0>(p1, u, x1); p2 = mac<P, N0>(p2, u, x2); p3 = mac<P, N0>(p3, u, x3);
        q0 = mac<P, N0>(q0, t, x); q1 = mac<P, N0>(q1, t, x1); q2 = mac<P, N0>(q2, t, x2); q3 = mac<P, N0>(q3, t, x3);
        u = unpack<B, N0, N4>(v, nibble, top); t = unpack<B, N4, N4>(v, nibble, top);
        p0 = mac<P, N4>(p0, u, x); p1 = mac<P, N4>(p1, u, x1); p2 = mac<P, N4>(p2, u, x2); p3 = mac<P, N4>(p3, u, x3);
        q0 = mac<P, N4>(q0, t, x); q1 = mac<P, N4>(q1, t, x1); q2 = mac<P, N4>(q2, t, x2); q3 = mac<P, N4>(q3, t, x3);
        if (sizeof<P>() == 2 && offsetof<B>() == 12 && !narrow) {
          c0 = flush(c0, p0); c1 = flush(c1, p1); c2 = flush(c2, p2); c3 = flush(c3, p3);
          d0 = flush(d0, q0); d1 = flush(d1, q1); d2 = flush(d2, q2); d3 = flush(d3, q3);
          p0 = none; p1 = none; p2 = none; p3 = none; q0 = none; q1 = none; q2 = none; q3 = none;
        }
        u = unpack<B, N0, N8>(v, nibble, top); t = unpack<B, N4, N8>(v, nibble, top);
        p0 = mac<P, N8>(p0, u, x); p1 = mac<P, N8>(p1, u, x1); p2 = mac<P, N8>(p2, u, x2); p3 = mac<P, N8>(p3, u, x3);
        q0 = mac<P, N8>(q0, t, x); q1 = mac<P, N8>(q1, t, x1); q2 = mac<P, N8>(q2, t, x2); q3 = mac<P, N8>(q3, t, x3);
        u = unpack<B, N0, N12>(v, nibble, top); t = unpack<B, N4, N12>(v, nibble, top);
        p0 = mac<P, N12>(p0, u, x); p1 = mac<P, N12>(p1, u, x1); p2 = mac<P, N12>(p2, u, x2); p3 = mac<P, N12>(p3, u, x3);
        q0 = mac<P, N12>(q0, t, x); q1 = mac<P, N12>(q1, t, x1); q2 = mac<P, N12>(q2, t, x2); q3 = mac<P, N12>(q3, t, x3);
        if (sizeof<P>() == 2 && offsetof<B>() == 12 && !narrow) {
          c0 = flush(c0, p0); c1 = flush(c1, p1); c2 = flush(c2, p2); c3 = flush(c3, p3);
          d0 = flush(d0, q0); d1 = flush(d1, q1); d2 = flush(d2, q2); d3 = flush(d3, q3);
          p0 = none; p1 = none; p2 = none; p3 = none; q0 = none; q1 = none; q2 = none; q3 = none;
        }
      }
      if (sizeof<P>() == 2) {
        c0 = flush(c0, p0); c1 = flush(c1, p1); c2 = flush(c2, p2); c3 = flush(c3, p3);
        d0 = flush(d0, q0); d1 = flush(d1, q1); d2 = flush(d2, q2); d3 = flush(d3, q3);
      }
    }
    if (sizeof<P>() != 2) {
      c0 = p0; c1 = p1; c2 = p2; c3 = p3; d0 = q0; d1 = q1; d2 = q2; d3 = q3;
    }
  }
  const s = v128.load(sm), m = v128.load(sm, 64), t = v128.load(sm, 16), n = v128.load(sm, 80);
  fold2(c0, d0, tile, s, m, t, n, scales, sums);
  fold2(c1, d1, tile + ACROSS, s, m, t, n, scales + side, sums + side);
  fold2(c2, d2, tile + 2 * ACROSS, s, m, t, n, scales + 2 * side, sums + 2 * side);
  fold2(c3, d3, tile + 3 * ACROSS, s, m, t, n, scales + 3 * side, sums + 3 * side);
}

/** 16 rows by 1 token. */
@inline export function tile1x16<P, B>(
  w: usize, a: usize, length: i32, narrow: bool, nibble: v128, top: v128, tile: usize, sm: usize, scales: usize, sums: usize,
): void {
  const none = i32x4.splat(0);
  let c0 = none, c1 = none, c2 = none, c3 = none;
  const whole = <usize>(length >> 4) * stepBytes<P>();
  const chunk = sizeof<P>() != 2 || narrow ? whole : min(whole, 2 * stepBytes<P>());
  const far = <usize>2 * quadBytes<B>();
  for (let plane = planes<B>() - 1; plane >= 0; plane--) {
    let v = w + (<usize>plane << 4);
    let p0 = c0, p1 = c1, p2 = c2, p3 = c3, q0 = none, q1 = none, q2 = none, q3 = none;
    if (planes<B>() == 2 && plane == 0) {
      p0 = i32x4.shl(c0, 4); p1 = i32x4.shl(c1, 4); p2 = i32x4.shl(c2, 4); p3 = i32x4.shl(c3, 4);
    }
    if (sizeof<P>() == 2) {
      c0 = p0; c1 = p1; c2 = p2; c3 = p3;
    }
    for (let x = a, end = a + whole; x < end;) {
      if (sizeof<P>() == 2) {
        p0 = none; p1 = none; p2 = none; p3 = none; q0 = none; q1 = none; q2 = none; q3 = none;
      }
      for (let stop = min(x + chunk, end); x < stop; x += stepBytes<P>(), v += codeStep<B>()) {
        p0 = mac<P, N0>(p0, unpack<B, N0, N0>(v, nibble, top), x); p1 = mac<P, N0>(p1, unpack<B, N4, N0>(v, nibble, top), x);
        p2 = mac<P, N0>(p2, unpack<B, N0, N0>(v + far, nibble, top), x); p3 = mac<P, N0>(p3, unpack<B, N4, N0>(v + far, nibble, top), x);
        q0 = mac<P, N4>(q0, unpack<B, N0, N4>(v, nibble, top), x); q1 = mac<P, N4>(q1, unpack<B, N4, N4>(v, nibble, top), x);
        q2 = mac<P, N4>(q2, unpack<B, N0, N4>(v + far, nibble, top), x); q3 = mac<P, N4>(q3, unpack<B, N4, N4>(v + far, nibble, top), x);
        if (sizeof<P>() == 2 && offsetof<B>() == 12 && !narrow) {
          c0 = flush(flush(c0, p0), q0); c1 = flush(flush(c1, p1), q1); c2 = flush(flush(c2, p2), q2); c3 = flush(flush(c3, p3), q3);
          p0 = none; p1 = none; p2 = none; p3 = none; q0 = none; q1 = none; q2 = none; q3 = none;
        }
        p0 = mac<P, N8>(p0, unpack<B, N0, N8>(v, nibble, top), x); p1 = mac<P, N8>(p1, unpack<B, N4, N8>(v, nibble, top), x);
        p2 = mac<P, N8>(p2, unpack<B, N0, N8>(v + far, nibble, top), x); p3 = mac<P, N8>(p3, unpack<B, N4, N8>(v + far, nibble, top), x);
        q0 = mac<P, N12>(q0, unpack<B, N0, N12>(v, nibble, top), x); q1 = mac<P, N12>(q1, unpack<B, N4, N12>(v, nibble, top), x);
        q2 = mac<P, N12>(q2, unpack<B, N0, N12>(v + far, nibble, top), x); q3 = mac<P, N12>(q3, unpack<B, N4, N12>(v + far, nibble, top), x);
        if (sizeof<P>() == 2 && offsetof<B>() == 12 && !narrow) {
          c0 = flush(flush(c0, p0), q0); c1 = flush(flush(c1, p1), q1); c2 = flush(flush(c2, p2), q2); c3 = flush(flush(c3, p3), q3);
          p0 = none; p1 = none; p2 = none; p3 = none; q0 = none; q1 = none; q2 = none; q3 = none;
        }
      }
      if (sizeof<P>() == 2) {
        c0 = flush(flush(c0, p0), q0); c1 = flush(flush(c1, p1), q1); c2 = flush(flush(c2, p2), q2); c3 = flush(flush(c3, p3), q3);
      }
    }
    if (sizeof<P>() != 2) {
      c0 = i32x4.add(p0, q0); c1 = i32x4.add(p1, q1); c2 = i32x4.add(p2, q2); c3 = i32x4.add(p3, q3);
    }
  }
  fold2(c0, c1, tile, v128.load(sm), v128.load(sm, 64), v128.load(sm, 16), v128.load(sm, 80), scales, sums);
  fold2(c2, c3, tile + 32, v128.load(sm, 32), v128.load(sm, 96), v128.load(sm, 48), v128.load(sm, 112), scales, sums);
}
