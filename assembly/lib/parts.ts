/*
 * A part is what one dot instruction takes of a quad, 4 rows; a step is four parts of each of a panel's four quads:
 *
 *   relaxed paths: 16 channels; bytes: byte 4r + j of part J = code of row r, channel 4J + j
 *   plain path:     8 channels; i16: lanes 2r and 2r + 1 of part J = channels (0,2) (4,6) (1,3) (5,7)
 *
 * Formats as type parameters: N4 = u4, N8 = a nibble plane of u8, N12 = u6, as src/formats/layout.ts draws them in linear memory; N16 and N20 = unpacked parts
 * [step][quad][part] of codes up to 15 and up to 63. The plain path reads u6 only unpacked. Q and J, quad and part, are literals 0, 4, 8, 12.
 */

/** Bytes of an unpacked quad of a step. */
export const QUAD_PARTS: usize = 64;

/** Channels of a step. */
@inline export function stepChannels<P>(): i32 { return sizeof<P>() == 1 ? 8 : 16; }

/** Bytes from a step to the next. */
@inline export function stepBytes<P, B>(): usize {
  if (offsetof<B>() >= 16) return 4 * QUAD_PARTS;
  if (offsetof<B>() == 12) return 192;
  return (offsetof<B>() == 4 ? 64 : 128) * (sizeof<P>() == 1 ? 1 : 2);
}

/** Pairs of codes up to 63 leave room for two i16 sums only. */
@inline export function wide<B>(): bool { return offsetof<B>() == 12 || offsetof<B>() == 20; }

/** Codes of channels J..J+3 of quad Q of u6 as bytes. Masks: 0x3f and 0x03 in every byte. */
@inline export function sixes<Q, J>(w: usize, whole: v128, pair: v128): v128 {
  if (offsetof<J>() < 12) return v128.and(v128.load(w, 12 * offsetof<Q>() + 4 * offsetof<J>()), whole);
  const a = v128.and(i16x8.shr_u(v128.load(w, 12 * offsetof<Q>()), 6), pair), b = v128.and(i16x8.shr_u(v128.load(w, 12 * offsetof<Q>() + 16), 6), pair);
  const c = v128.and(i16x8.shr_u(v128.load(w, 12 * offsetof<Q>() + 32), 6), pair);
  return v128.or(v128.or(a, i16x8.shl(b, 2)), i16x8.shl(c, 4));
}

/** Part J of quad Q of the step at `w`. `nibble`: 0x0f in every byte, on the plain path in every i16, for u6 0x3f in every byte; `top`: 0x03 in every byte. */
@inline export function part<P, B, Q, J>(w: usize, nibble: v128, top: v128): v128 {
  if (offsetof<B>() >= 16) return v128.load(w, 16 * offsetof<Q>() + 4 * offsetof<J>());
  if (offsetof<B>() == 12) return sixes<Q, J>(w, nibble, top);
  if (sizeof<P>() == 1) {
    const v = v128.load(w, offsetof<B>() * offsetof<Q>());
    const shifted = offsetof<J>() ? i16x8.shr_u(v, offsetof<J>()) : v;
    return offsetof<J>() == 12 ? shifted : v128.and(shifted, nibble);
  }
  const v = v128.load(w, offsetof<B>() * offsetof<Q>() + (offsetof<J>() < 8 ? 0 : 16 * offsetof<B>()));
  return v128.and(offsetof<J>() & 4 ? i16x8.shr_u(v, 4) : v, nibble);
}
