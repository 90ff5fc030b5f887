/*
 * Activations of R + 1 rows as bytes on every path: [columns / 16][rows][16]. The plain path has them widened, per row 8 even columns as i16, then 8
 * odd ones. R and Q stand for the number of rows less one and for a row (N0, N4, N8, N12), S is the byte offset of 4 columns within 32.
 */

/** Bytes of 16 activations of a row. */
@inline export function rowStep<P>(): usize { return sizeof<P>() == 1 ? 32 : 16; }

/** The 4 activations, of the plain path the even ones, in every lane. */
@inline export function quadOf<P, R, Q, S>(a: usize): v128 {
  if (sizeof<P>() == 1) return v128.load32_splat(a, (offsetof<S>() & 12) + (offsetof<S>() >> 4) * (8 * offsetof<R>() + 32) + 8 * offsetof<Q>());
  return v128.load32_splat(a, (offsetof<S>() & 12) + (offsetof<S>() >> 4) * (4 * offsetof<R>() + 16) + 4 * offsetof<Q>());
}

/** The odd ones. */
@inline export function oddOf<R, Q, S>(a: usize): v128 {
  return v128.load32_splat(a, (offsetof<S>() & 12) + (offsetof<S>() >> 4) * (8 * offsetof<R>() + 32) + 8 * offsetof<Q>() + 16);
}
