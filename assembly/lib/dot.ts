/*
 * The dot product of channels by 4 rows, in three forms that give the same integers. `w` is a part of a panel (lib/parts.ts), `x` its activations,
 * splatted. The path is a type parameter:
 *
 *   u8   plain simd128: i16 codes, activations widened beforehand (`widen`), i32x4.dot_i16x8_s
 *   i16  relaxed: i16x8.relaxed_dot_i8x16_i7x16_s into i16 sums, which must move to i32 sums before they can overflow
 *   i32  relaxed: i32x4.relaxed_dot_i8x16_i7x16_add_s
 *
 * The relaxed forms are exact because the i7 operand is 0..63.
 */

/** The dot alone: what a sum starts with. */
@inline export function dot<P>(w: v128, x: v128): v128 {
  if (sizeof<P>() == 1) return i32x4.dot_i16x8_s(w, x);
  if (ASC_FEATURE_RELAXED_SIMD) {
    if (sizeof<P>() == 2) return v128.relaxed_dot<i16>(x, w);
    return v128.relaxed_dot_add<i32>(x, w, i32x4.splat(0));
  }
  return w;
}

@inline export function mac<P>(acc: v128, w: v128, x: v128): v128 {
  if (sizeof<P>() == 1) return i32x4.add(acc, i32x4.dot_i16x8_s(w, x));
  if (ASC_FEATURE_RELAXED_SIMD) {
    if (sizeof<P>() == 2) return i16x8.add(acc, v128.relaxed_dot<i16>(x, w));
    return v128.relaxed_dot_add<i32>(x, w, acc);
  }
  return acc;
}

/**
 * acc + factor * partial sum, in i32. A factor is 0..4080; on the i16 path it stands in both halves of each i32 lane, so that one instruction adds
 * the pair sums and multiplies.
 */
@inline export function fold<P>(acc: v128, partial: v128, factor: v128): v128 {
  return i32x4.add(acc, scaled<P>(partial, factor));
}

/** factor * partial sum, in i32: the first of a fold. */
@inline export function scaled<P>(partial: v128, factor: v128): v128 {
  return sizeof<P>() == 2 ? i32x4.dot_i16x8_s(partial, factor) : i32x4.mul(partial, factor);
}

/** The factor `value` (i32 lanes) in the form that `fold` takes. */
@inline export function factorOf<P>(value: v128): v128 { return sizeof<P>() == 2 ? v128.or(value, i32x4.shl(value, 16)) : value; }

/** Bytes of a channel of activations as path P reads them. */
@inline export function actBytes<P>(): usize { return sizeof<P>() == 1 ? 2 : 1; }

/** Widens i8 codes to the plain path's pairs: per 8 channels (0,2) (4,6) (1,3) (5,7) as i16. `length` is a multiple of 16. */
export function widen(from: usize, to: usize, length: i32): void {
  for (let end = from + <usize>length; from < end; from += 16, to += 32) {
    const x = v128.load(from);
    const even = i16x8.shr_s(i16x8.shl(x, 8), 8), odd = i16x8.shr_s(x, 8);
    v128.store(to, v128.shuffle<i64>(even, odd, 0, 2));
    v128.store(to, v128.shuffle<i64>(even, odd, 1, 3), 16);
  }
}
