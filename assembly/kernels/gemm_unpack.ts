import { actBytes } from '../lib/dot';
import { N0, N12, N4, N8 } from '../lib/literal';
import { part, QUAD_PARTS, sixes, stepBytes, stepChannels } from '../lib/parts';
import { Walk } from '../lib/walk';
import { SUB } from './gemm_sub';

/** The parts of quad Q of one step. */
@inline function quadOf<P, B, Q>(w: usize, to: usize, nibble: v128, top: v128): void {
  v128.store(to, part<P, B, Q, N0>(w, nibble, top));
  v128.store(to, part<P, B, Q, N4>(w, nibble, top), 16);
  v128.store(to, part<P, B, Q, N8>(w, nibble, top), 32);
  v128.store(to, part<P, B, Q, N12>(w, nibble, top), 48);
}

/** The same for 8 channels of u6 on the plain path: channels J..J+3 and K..K+3 of a 16-channel step. */
@inline function sixesOf<Q, J, K>(w: usize, to: usize, nibble: v128, top: v128): void {
  const low = i16x8.splat(0x00ff), a = sixes<Q, J>(w, nibble, top), b = sixes<Q, K>(w, nibble, top);
  v128.store(to, v128.and(a, low));
  v128.store(to, v128.and(b, low), 16);
  v128.store(to, i16x8.shr_u(a, 8), 32);
  v128.store(to, i16x8.shr_u(b, 8), 48);
}

@inline function sixesStep<J, K>(w: usize, to: usize, nibble: v128, top: v128): void {
  sixesOf<N0, J, K>(w, to, nibble, top); sixesOf<N4, J, K>(w, to + QUAD_PARTS, nibble, top);
  sixesOf<N8, J, K>(w, to + 2 * QUAD_PARTS, nibble, top); sixesOf<N12, J, K>(w, to + 3 * QUAD_PARTS, nibble, top);
}

/** Unpacks `channels` (a multiple of 16, inside one block) of a panel's codes, one plane of them for u8, to [step][quad][part]. */
function unpackRun<P, B>(w: usize, channels: i32, to: usize, masks: usize): void {
  const nibble = v128.load(masks), top = v128.load(masks, 16);
  if (sizeof<P>() == 1 && offsetof<B>() == 12) {
    for (let k = 0; k < channels; k += 16, w += 192, to += 8 * QUAD_PARTS) {
      sixesStep<N0, N4>(w, to, nibble, top);
      sixesStep<N8, N12>(w, to + 4 * QUAD_PARTS, nibble, top);
    }
    return;
  }
  for (let k = 0; k < channels; k += stepChannels<P>(), w += stepBytes<P, B>(), to += 4 * QUAD_PARTS) {
    quadOf<P, B, N0>(w, to, nibble, top); quadOf<P, B, N4>(w, to + QUAD_PARTS, nibble, top);
    quadOf<P, B, N8>(w, to + 2 * QUAD_PARTS, nibble, top); quadOf<P, B, N12>(w, to + 3 * QUAD_PARTS, nibble, top);
  }
}

/** Unpacks a run of channels, at most GEMM_CHUNK, from packed blocks, plane after plane of every sub-block; a short last one ends in zeros. */
export function unpack<P>(walk: Walk, channels: i32, bits: i32, header: usize, w: usize, to: usize): void {
  const perChannel = <usize>bits * 2, subBytes = SUB * 16 * <usize>actBytes<P>();
  for (let left = channels; left > 0; left -= walk.block) {
    w += header;
    for (let span = min(left, walk.block); span > 0; span -= SUB) {
      const sub = min(span, SUB);
      for (let plane = 0; plane < walk.planes; plane++, to += subBytes) {
        if (sub < SUB) memory.fill(to, 0, subBytes);
        if (bits == 4) unpackRun<P, N4>(w, sub, to, walk.masks);
        else if (bits == 6) unpackRun<P, N12>(w, sub, to, walk.masks);
        else unpackRun<P, N8>(w + 16 * plane, sub, to, walk.masks);
      }
      w += <usize>sub * perChannel;
    }
  }
}
