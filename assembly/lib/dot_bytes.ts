import { mac } from './dot';

/*
 * `mac` for codes that are bytes on every path: `w` holds codes 0..15 of 4 rows by 4 columns, activations are splatted from memory. The plain path has
 * them widened: per 16 columns the even ones as i16, then the odd ones.
 */

/** acc + dot for the 4 columns at byte offset S of a step of 16 columns, whose activations lie at `a`. */
@inline export function macBytes<P, S>(acc: v128, w: v128, a: usize): v128 {
  if (sizeof<P>() != 1) return mac<P>(acc, w, v128.load32_splat(a, offsetof<S>()));
  const even = v128.and(w, i16x8.splat(0x00ff)), odd = i16x8.shr_u(w, 8);
  return mac<P>(mac<P>(acc, even, v128.load32_splat(a, offsetof<S>())), odd, v128.load32_splat(a, offsetof<S>() + 16));
}

/** Bytes that a step of 16 activations takes on path P. */
@inline export function byteStep<P>(): usize { return sizeof<P>() == 1 ? 32 : 16; }
