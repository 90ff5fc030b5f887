import { N0, N12, N4, N8 } from '../lib/literal';
import { part, QUAD_PARTS, sixes, stepBytes, stepChannels } from '../lib/parts';

/** The parts of a quad of one step; returns the end. */
@inline function quadOf<P, B>(w: usize, to: usize, nibble: v128, top: v128): void {
  v128.store(to, part<P, B, N0>(w, nibble, top));
  v128.store(to, part<P, B, N4>(w, nibble, top), 16);
  v128.store(to, part<P, B, N8>(w, nibble, top), 32);
  v128.store(to, part<P, B, N12>(w, nibble, top), 48);
}

/** 8 channels of u6 on the plain path: channels J..J+3 and K..K+3 of a 16-channel step. */
@inline function sixesPlain<J, K>(w: usize, to: usize, nibble: v128, top: v128): void {
  const low = i16x8.splat(0x00ff), a = sixes<J>(w, nibble, top), b = sixes<K>(w, nibble, top);
  v128.store(to, v128.and(a, low));
  v128.store(to, v128.and(b, low), 16);
  v128.store(to, i16x8.shr_u(a, 8), 32);
  v128.store(to, i16x8.shr_u(b, 8), 48);
}

/** Unpacks `channels` (a multiple of 16, inside one block) of a panel's codes, one plane of them for u8, to [step][quad][part]. */
export function unpackRun<P, B>(w: usize, channels: i32, to: usize, masks: usize): void {
  const nibble = v128.load(masks), top = v128.load(masks, 16);
  const quad: usize = offsetof<B>() == 4 ? 16 : offsetof<B>() == 8 ? 32 : 48;
  if (sizeof<P>() == 1 && offsetof<B>() == 12) {
    for (let k = 0; k < channels; k += 16, w += 192, to += 512) {
      for (let q: usize = 0; q < 4; q++) {
        sixesPlain<N0, N4>(w + q * quad, to + q * QUAD_PARTS, nibble, top);
        sixesPlain<N8, N12>(w + q * quad, to + 256 + q * QUAD_PARTS, nibble, top);
      }
    }
    return;
  }
  for (let k = 0; k < channels; k += stepChannels<P>(), w += stepBytes<P, B>(), to += 4 * QUAD_PARTS) {
    for (let q: usize = 0; q < 4; q++) quadOf<P, B>(w + q * quad, to + q * QUAD_PARTS, nibble, top);
  }
}
