/*
 * The dot product of 16 channels by 4 rows, in three forms that give the same integers. `w` holds codes 0..63 as bytes, 4 rows by 4 channels;
 * activations are splatted 4 channels at a time. The path is a type parameter:
 *
 *   u8   plain simd128: activations widened beforehand to i16 pairs (`widen`), two i32x4.dot_i16x8_s
 *   i16  relaxed: i16x8.relaxed_dot_i8x16_i7x16_s into i16 sums; the caller flushes before they can overflow
 *   i32  relaxed: i32x4.relaxed_dot_i8x16_i7x16_add_s
 *
 * The relaxed forms are exact because the i7 operand is 0..63.
 */

/** acc + dot for the 4 channels at byte offset S of a 16-channel step; `a` addresses the step (16 bytes, or 32 once widened). */
@inline export function mac<P, S>(acc: v128, w: v128, a: usize): v128 {
  if (sizeof<P>() == 1) {
    const even = v128.and(w, i16x8.splat(0x00ff));
    const odd = i16x8.shr_u(w, 8);
    acc = i32x4.add(acc, i32x4.dot_i16x8_s(even, v128.load32_splat(a, offsetof<S>())));
    return i32x4.add(acc, i32x4.dot_i16x8_s(odd, v128.load32_splat(a, offsetof<S>() + 16)));
  }
  if (ASC_FEATURE_RELAXED_SIMD) {
    const x = v128.load32_splat(a, offsetof<S>());
    if (sizeof<P>() == 2) return i16x8.add(acc, v128.relaxed_dot<i16>(x, w));
    return v128.relaxed_dot_add<i32>(x, w, acc);
  }
  return acc;
}

/** Bytes that a step of 16 activations takes for path P. */
@inline export function stepBytes<P>(): usize { return sizeof<P>() == 1 ? 32 : 16; }

/** Widens i8 codes to the plain path's pairs: per 16 channels, even channels (0,2)(4,6)(8,10)(12,14) as i16, then the odd ones. */
export function widen(from: usize, to: usize, length: i32): void {
  for (let end = from + <usize>length; from < end; from += 16, to += 32) {
    const x = v128.load(from);
    v128.store(to, i16x8.shr_s(i16x8.shl(x, 8), 8));
    v128.store(to, i16x8.shr_s(x, 8), 16);
  }
}
