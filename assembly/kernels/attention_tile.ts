import { mac } from '../lib/dot';
import { N0, N12, N4, N8 } from '../lib/literal';
import { codeOffsets, codeScales, nibbles, ones, rowsOf, wideNibbles } from './attention_rows';

/*
 * R rows of 8-bit codes by a matrix in vectors of 8 rows by 4 columns, on the path P of lib/dot.ts. The order of the statements is the order of the machine
 * code, which is written for 16 registers and is straight over 32 columns. A splat of a row's codes serves both halves of a byte. The offset of a splatted
 * load costs V8 an instruction to add it to the memory's base, once for each different offset: hence a pointer per row and few offsets.
 */

/** Bytes of 16 codes of a row. The plain path has them widened, 8 even columns as i16, then 8 odd ones. */
@inline export function rowStep<P>(): usize { return sizeof<P>() == 1 ? 32 : 16; }

/** Columns of a step. */
export const STEP: i32 = 32;

/** Eight outputs of row Q: what is there times its decay + (sum * scale + offset). */
@inline function put<R, Q>(c: v128, d: v128, out: usize, decays: usize, scratch: usize): void {
  const scale = v128.load(codeScales(scratch), 4 * offsetof<Q>()), offset = v128.load(codeOffsets(scratch), 4 * offsetof<Q>());
  const decay = v128.load(decays, 4 * offsetof<Q>());
  c = f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(c), scale), offset);
  d = f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(d), scale), offset);
  v128.store(out, f32x4.add(f32x4.mul(v128.load(out, 4 * offsetof<Q>()), decay), c), 4 * offsetof<Q>());
  d = f32x4.add(f32x4.mul(v128.load(out, 4 * offsetof<Q>() + (4 * offsetof<R>() + 16)), decay), d);
  v128.store(out, d, 4 * offsetof<Q>() + (4 * offsetof<R>() + 16));
}

/** `mac` for the first dots of i16 sums. */
@inline function begin<P>(p: v128, w: v128, x: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) if (sizeof<P>() == 2) return v128.relaxed_dot<i16>(x, w);
  return mac<P>(p, w, x);
}

/** i16 sums onto i32 sums. */
@inline function moved<P>(c: v128, p: v128, one: v128): v128 { return sizeof<P>() == 2 ? i32x4.add(c, i32x4.dot_i16x8_s(p, one)) : p; }

/**
 * out [count / 4][R][4] by codes [columns / 16][R][16]; `across` bytes lie between 8 rows of w and the next; count is a multiple of 8, columns of STEP.
 * Sums of 8 vectors fit i16: 8 * 2 * 15 * 127 < 2^15.
 */
@inline export function tile<P, R>(
  w: usize, across: usize, columns: i32, count: i32, codes: usize, out: usize, decays: usize, scratch: usize,
): void {
  const none = i32x4.splat(0), nibble = sizeof<P>() == 1 ? wideNibbles(scratch) : nibbles(scratch), one = ones(scratch);
  for (const last = out + <usize>(count >> 2) * (16 * rowsOf<R>()); out < last; out += 32 * rowsOf<R>(), w += across) {
    let c0 = none, c1 = none, c2 = none, d0 = none, d1 = none, d2 = none;
    for (let m = w, a0 = codes, a1 = a0 + rowStep<P>(), a2 = a1 + rowStep<P>(), end = w + <usize>(columns << 2); m < end;) {
      let p0 = c0, p1 = c1, p2 = c2, q0 = d0, q1 = d1, q2 = d2;
      let v: v128, l: v128, h: v128, s: v128;
      v = v128.load(m, 4 * offsetof<N0>()); l = v128.and(v, nibble); h = v128.and(i16x8.shr_u(v, 4), nibble);
      s = v128.load32_splat(a0, offsetof<N0>()); p0 = begin<P>(p0, l, s); q0 = begin<P>(q0, h, s);
      if (rowsOf<R>() > 1) { s = v128.load32_splat(a1, offsetof<N0>()); p1 = begin<P>(p1, l, s); q1 = begin<P>(q1, h, s); }
      if (rowsOf<R>() > 2) { s = v128.load32_splat(a2, offsetof<N0>()); p2 = begin<P>(p2, l, s); q2 = begin<P>(q2, h, s); }
      if (sizeof<P>() == 1) {
        l = v128.and(i16x8.shr_u(v, 8), nibble); h = i16x8.shr_u(v, 12);
        s = v128.load32_splat(a0, offsetof<N0>() + 16); p0 = mac<P>(p0, l, s); q0 = mac<P>(q0, h, s);
        if (rowsOf<R>() > 1) { s = v128.load32_splat(a1, offsetof<N0>() + 16); p1 = mac<P>(p1, l, s); q1 = mac<P>(q1, h, s); }
        if (rowsOf<R>() > 2) { s = v128.load32_splat(a2, offsetof<N0>() + 16); p2 = mac<P>(p2, l, s); q2 = mac<P>(q2, h, s); }
      }
      v = v128.load(m, 4 * offsetof<N4>()); l = v128.and(v, nibble); h = v128.and(i16x8.shr_u(v, 4), nibble);
      s = v128.load32_splat(a0, offsetof<N4>()); p0 = mac<P>(p0, l, s); q0 = mac<P>(q0, h, s);
      if (rowsOf<R>() > 1) { s = v128.load32_splat(a1, offsetof<N4>()); p1 = mac<P>(p1, l, s); q1 = mac<P>(q1, h, s); }
      if (rowsOf<R>() > 2) { s = v128.load32_splat(a2, offsetof<N4>()); p2 = mac<P>(p2, l, s); q2 = mac<P>(q2, h, s); }
      if (sizeof<P>() == 1) {
        l = v128.and(i16x8.shr_u(v, 8), nibble); h = i16x8.shr_u(v, 12);
        s = v128.load32_splat(a0, offsetof<N4>() + 16); p0 = mac<P>(p0, l, s); q0 = mac<P>(q0, h, s);
        if (rowsOf<R>() > 1) { s = v128.load32_splat(a1, offsetof<N4>() + 16); p1 = mac<P>(p1, l, s); q1 = mac<P>(q1, h, s); }
        if (rowsOf<R>() > 2) { s = v128.load32_splat(a2, offsetof<N4>() + 16); p2 = mac<P>(p2, l, s); q2 = mac<P>(q2, h, s); }
      }
      v = v128.load(m, 4 * offsetof<N8>()); l = v128.and(v, nibble); h = v128.and(i16x8.shr_u(v, 4), nibble);
      s = v128.load32_splat(a0, offsetof<N8>()); p0 = mac<P>(p0, l, s); q0 = mac<P>(q0, h, s);
      if (rowsOf<R>() > 1) { s = v128.load32_splat(a1, offsetof<N8>()); p1 = mac<P>(p1, l, s); q1 = mac<P>(q1, h, s); }
      if (rowsOf<R>() > 2) { s = v128.load32_splat(a2, offsetof<N8>()); p2 = mac<P>(p2, l, s); q2 = mac<P>(q2, h, s); }
      if (sizeof<P>() == 1) {
        l = v128.and(i16x8.shr_u(v, 8), nibble); h = i16x8.shr_u(v, 12);
        s = v128.load32_splat(a0, offsetof<N8>() + 16); p0 = mac<P>(p0, l, s); q0 = mac<P>(q0, h, s);
        if (rowsOf<R>() > 1) { s = v128.load32_splat(a1, offsetof<N8>() + 16); p1 = mac<P>(p1, l, s); q1 = mac<P>(q1, h, s); }
        if (rowsOf<R>() > 2) { s = v128.load32_splat(a2, offsetof<N8>() + 16); p2 = mac<P>(p2, l, s); q2 = mac<P>(q2, h, s); }
      }
      v = v128.load(m, 4 * offsetof<N12>()); l = v128.and(v, nibble); h = v128.and(i16x8.shr_u(v, 4), nibble);
      s = v128.load32_splat(a0, offsetof<N12>()); p0 = mac<P>(p0, l, s); q0 = mac<P>(q0, h, s);
      if (rowsOf<R>() > 1) { s = v128.load32_splat(a1, offsetof<N12>()); p1 = mac<P>(p1, l, s); q1 = mac<P>(q1, h, s); }
      if (rowsOf<R>() > 2) { s = v128.load32_splat(a2, offsetof<N12>()); p2 = mac<P>(p2, l, s); q2 = mac<P>(q2, h, s); }
      if (sizeof<P>() == 1) {
        l = v128.and(i16x8.shr_u(v, 8), nibble); h = i16x8.shr_u(v, 12);
        s = v128.load32_splat(a0, offsetof<N12>() + 16); p0 = mac<P>(p0, l, s); q0 = mac<P>(q0, h, s);
        if (rowsOf<R>() > 1) { s = v128.load32_splat(a1, offsetof<N12>() + 16); p1 = mac<P>(p1, l, s); q1 = mac<P>(q1, h, s); }
        if (rowsOf<R>() > 2) { s = v128.load32_splat(a2, offsetof<N12>() + 16); p2 = mac<P>(p2, l, s); q2 = mac<P>(q2, h, s); }
      }
      m += 64; a0 += rowStep<P>() * rowsOf<R>(); a1 += rowStep<P>() * rowsOf<R>(); a2 += rowStep<P>() * rowsOf<R>();
      v = v128.load(m, 4 * offsetof<N0>()); l = v128.and(v, nibble); h = v128.and(i16x8.shr_u(v, 4), nibble);
      s = v128.load32_splat(a0, offsetof<N0>()); p0 = mac<P>(p0, l, s); q0 = mac<P>(q0, h, s);
      if (rowsOf<R>() > 1) { s = v128.load32_splat(a1, offsetof<N0>()); p1 = mac<P>(p1, l, s); q1 = mac<P>(q1, h, s); }
      if (rowsOf<R>() > 2) { s = v128.load32_splat(a2, offsetof<N0>()); p2 = mac<P>(p2, l, s); q2 = mac<P>(q2, h, s); }
      if (sizeof<P>() == 1) {
        l = v128.and(i16x8.shr_u(v, 8), nibble); h = i16x8.shr_u(v, 12);
        s = v128.load32_splat(a0, offsetof<N0>() + 16); p0 = mac<P>(p0, l, s); q0 = mac<P>(q0, h, s);
        if (rowsOf<R>() > 1) { s = v128.load32_splat(a1, offsetof<N0>() + 16); p1 = mac<P>(p1, l, s); q1 = mac<P>(q1, h, s); }
        if (rowsOf<R>() > 2) { s = v128.load32_splat(a2, offsetof<N0>() + 16); p2 = mac<P>(p2, l, s); q2 = mac<P>(q2, h, s); }
      }
      v = v128.load(m, 4 * offsetof<N4>()); l = v128.and(v, nibble); h = v128.and(i16x8.shr_u(v, 4), nibble);
      s = v128.load32_splat(a0, offsetof<N4>()); p0 = mac<P>(p0, l, s); q0 = mac<P>(q0, h, s);
      if (rowsOf<R>() > 1) { s = v128.load32_splat(a1, offsetof<N4>()); p1 = mac<P>(p1, l, s); q1 = mac<P>(q1, h, s); }
      if (rowsOf<R>() > 2) { s = v128.load32_splat(a2, offsetof<N4>()); p2 = mac<P>(p2, l, s); q2 = mac<P>(q2, h, s); }
      if (sizeof<P>() == 1) {
        l = v128.and(i16x8.shr_u(v, 8), nibble); h = i16x8.shr_u(v, 12);
        s = v128.load32_splat(a0, offsetof<N4>() + 16); p0 = mac<P>(p0, l, s); q0 = mac<P>(q0, h, s);
        if (rowsOf<R>() > 1) { s = v128.load32_splat(a1, offsetof<N4>() + 16); p1 = mac<P>(p1, l, s); q1 = mac<P>(q1, h, s); }
        if (rowsOf<R>() > 2) { s = v128.load32_splat(a2, offsetof<N4>() + 16); p2 = mac<P>(p2, l, s); q2 = mac<P>(q2, h, s); }
      }
      v = v128.load(m, 4 * offsetof<N8>()); l = v128.and(v, nibble); h = v128.and(i16x8.shr_u(v, 4), nibble);
      s = v128.load32_splat(a0, offsetof<N8>()); p0 = mac<P>(p0, l, s); q0 = mac<P>(q0, h, s);
      if (rowsOf<R>() > 1) { s = v128.load32_splat(a1, offsetof<N8>()); p1 = mac<P>(p1, l, s); q1 = mac<P>(q1, h, s); }
      if (rowsOf<R>() > 2) { s = v128.load32_splat(a2, offsetof<N8>()); p2 = mac<P>(p2, l, s); q2 = mac<P>(q2, h, s); }
      if (sizeof<P>() == 1) {
        l = v128.and(i16x8.shr_u(v, 8), nibble); h = i16x8.shr_u(v, 12);
        s = v128.load32_splat(a0, offsetof<N8>() + 16); p0 = mac<P>(p0, l, s); q0 = mac<P>(q0, h, s);
        if (rowsOf<R>() > 1) { s = v128.load32_splat(a1, offsetof<N8>() + 16); p1 = mac<P>(p1, l, s); q1 = mac<P>(q1, h, s); }
        if (rowsOf<R>() > 2) { s = v128.load32_splat(a2, offsetof<N8>() + 16); p2 = mac<P>(p2, l, s); q2 = mac<P>(q2, h, s); }
      }
      v = v128.load(m, 4 * offsetof<N12>()); l = v128.and(v, nibble); h = v128.and(i16x8.shr_u(v, 4), nibble);
      s = v128.load32_splat(a0, offsetof<N12>()); p0 = mac<P>(p0, l, s); q0 = mac<P>(q0, h, s);
      if (rowsOf<R>() > 1) { s = v128.load32_splat(a1, offsetof<N12>()); p1 = mac<P>(p1, l, s); q1 = mac<P>(q1, h, s); }
      if (rowsOf<R>() > 2) { s = v128.load32_splat(a2, offsetof<N12>()); p2 = mac<P>(p2, l, s); q2 = mac<P>(q2, h, s); }
      if (sizeof<P>() == 1) {
        l = v128.and(i16x8.shr_u(v, 8), nibble); h = i16x8.shr_u(v, 12);
        s = v128.load32_splat(a0, offsetof<N12>() + 16); p0 = mac<P>(p0, l, s); q0 = mac<P>(q0, h, s);
        if (rowsOf<R>() > 1) { s = v128.load32_splat(a1, offsetof<N12>() + 16); p1 = mac<P>(p1, l, s); q1 = mac<P>(q1, h, s); }
        if (rowsOf<R>() > 2) { s = v128.load32_splat(a2, offsetof<N12>() + 16); p2 = mac<P>(p2, l, s); q2 = mac<P>(q2, h, s); }
      }
      m += 64; a0 += rowStep<P>() * rowsOf<R>(); a1 += rowStep<P>() * rowsOf<R>(); a2 += rowStep<P>() * rowsOf<R>();
      c0 = moved<P>(c0, p0, one); d0 = moved<P>(d0, q0, one);
      if (rowsOf<R>() > 1) { c1 = moved<P>(c1, p1, one); d1 = moved<P>(d1, q1, one); }
      if (rowsOf<R>() > 2) { c2 = moved<P>(c2, p2, one); d2 = moved<P>(d2, q2, one); }
    }
    put<R, N0>(c0, d0, out, decays, scratch);
    if (rowsOf<R>() > 1) put<R, N4>(c1, d1, out, decays, scratch);
    if (rowsOf<R>() > 2) put<R, N8>(c2, d2, out, decays, scratch);
  }
}
