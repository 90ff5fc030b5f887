/*
 * Unpacking of weight codes (layout: src/formats/layout.ts). Weight formats as type parameters: N4 = u4, N8 = u8 (two nibble planes), N12 = u6.
 * A step is 16 channels of 16 rows.
 */

/** Bytes of a step. */
@inline export function codeStep<B>(): usize { return offsetof<B>() == 4 ? 128 : offsetof<B>() == 8 ? 256 : 192; }

/** Bytes between the quads of a step. */
@inline export function quadBytes<B>(): usize { return offsetof<B>() == 4 ? 16 : offsetof<B>() == 8 ? 32 : 48; }

/** Codes of 4 rows by the 4 channels at S (0, 4, 8, 12): quad Q (N0 or N4: the next) at `w`; the high plane of u8 lies 16 bytes further. */
@inline export function unpack<B, Q, S>(w: usize, nibble: v128, top: v128): v128 {
  const second = offsetof<S>() >= 8;
  const high = (offsetof<S>() & 4) != 0;
  if (offsetof<B>() == 12) {
    const v = v128.load(w, (offsetof<Q>() / 4) * 48 + (offsetof<S>() / 8) * 16);
    const t = v128.load(w, (offsetof<Q>() / 4) * 48 + 32);
    const low = high ? v128.and(i16x8.shr_u(v, 4), nibble) : v128.and(v, nibble);
    if (second) return v128.or(low, v128.and(high ? i16x8.shr_u(t, 2) : t, top));
    return v128.or(low, v128.and(i16x8.shl(t, high ? 2 : 4), top));
  }
  const v = offsetof<B>() == 4
    ? v128.load(w, (offsetof<Q>() / 4) * 16 + (offsetof<S>() / 8) * 64)
    : v128.load(w, (offsetof<Q>() / 4) * 32 + (offsetof<S>() / 8) * 128);
  return high ? v128.and(i16x8.shr_u(v, 4), nibble) : v128.and(v, nibble);
}
